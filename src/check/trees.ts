import { Buffer } from 'node:buffer';
import { throwIfInterrupted, VarveError } from '../errors/errors.js';
import { type Attachment, isReference } from '../format/attachment.js';
import { type BlobKind, type ContentRef, DATA, TREE } from '../format/content.js';
import { DirectoryParser } from '../format/directory-parser.js';
import type { BadEntry, EntryReader } from '../format/entry-reader.js';
import { Layout } from '../format/layout.js';
import { ID_BYTES, MAX_DEPTH } from '../format/limits.js';
import { decodeXattrs } from '../format/xattrs.js';
import type { BlobIndex } from '../repository/index/blob-index.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { checkSize, streamBlobs, streamIds } from '../repository/reading/content-stream.js';
import { TreeReader } from '../repository/reading/tree-reader.js';
import type { BadBlobs } from './bad-blobs.js';
import type { CheckRun } from './check-run.js';
import { DirectoryMemo, directoryKey } from './directory-memo.js';
import { type Finding, type Findings, reasonOf } from './findings.js';
import type { OpenedSnapshot } from './objects.js';

/** A directory on the way down. */
interface Directory {
  readonly content: ContentRef;
  /** Undefined for the root. */
  readonly location: { readonly parent: Directory; readonly name: Buffer } | undefined;
  readonly depth: number;
}

/** For each finding, how many files and directories below a directory it touches. */
type Touched = Map<Finding, number>;

const NONE: Touched = new Map();
const SLASH = Buffer.from('/');

/** Thrown where a blob cannot be read, and caught at the file or directory that needs it. */
class Blame extends Error {
  readonly finding: Finding;

  constructor(finding: Finding) {
    super(finding.message);
    this.finding = finding;
  }
}

/**
 * Walks the trees of snapshots and checks that every blob they need can be read. A directory is visited once, however many snapshots share it.
 * Only a directory with something wrong in it is visited again at each of its paths, so that all touched files are named.
 */
export class TreeCheck {
  readonly #index: BlobIndex;
  readonly #reader: TreeReader;
  readonly #bad: BadBlobs;
  readonly #findings: Findings;
  readonly #signal: AbortSignal | undefined;
  readonly #sound: DirectoryMemo;
  /** What was found in directories, by their key, and the paths at which they were visited. */
  readonly #unsound = new Map<string, { readonly touched: Touched; readonly paths: Set<string> }>();

  constructor({ findings, options: { signal } }: CheckRun, repository: IndexedRepository, bad: BadBlobs) {
    this.#index = repository.index;
    const badCopies = {
      report: (pack: string, cause: VarveError): void => void findings.addError('data', pack, cause),
    };
    this.#reader = new TreeReader({ ...repository, badCopies }, { signal });
    this.#bad = bad;
    this.#findings = findings;
    this.#signal = signal;
    this.#sound = new DirectoryMemo(repository.index);
  }

  async check({ id, root }: OpenedSnapshot): Promise<void> {
    const touched = await this.#visit({ content: root, location: undefined, depth: 0 });
    for (const finding of touched.keys()) finding.snapshots.add(id);
  }

  async #visit(directory: Directory): Promise<Touched> {
    const { content } = directory;
    if (this.#sound.has(content)) return NONE;
    const known = this.#unsound.size === 0 ? undefined : this.#unsound.get(directoryKey(content));
    if (known !== undefined) {
      const path = pathOf(directory).toString('latin1');
      if (known.paths.has(path)) return known.touched;
      known.paths.add(path);
      if (allFull(known.touched)) {
        for (const [finding, count] of known.touched) finding.count(count);
        return known.touched;
      }
    }
    const touched = await this.#walk(directory);
    if (touched.size === 0) this.#sound.add(content);
    else if (known === undefined)
      this.#unsound.set(directoryKey(content), { touched, paths: new Set([pathOf(directory).toString('latin1')]) });
    return touched;
  }

  async #walk(directory: Directory): Promise<Touched> {
    throwIfInterrupted(this.#signal);
    const touched: Touched = new Map();
    const below: Directory[] = [];
    try {
      if (directory.depth > MAX_DEPTH) throw new VarveError('damaged', 'directories are nested too deeply');
      const onBad = ({ name, error }: BadEntry): void => {
        const path = name === undefined ? withSlash(pathOf(directory)) : pathIn(directory, name);
        this.#touch(touched, this.#blamed(error), path);
      };
      const parser = new DirectoryParser('', onBad);
      for await (const blob of this.#stream(directory.content))
        for (const entry of parser.push(blob)) await this.#entry(entry, directory, touched, below);
      for (const entry of parser.end()) await this.#entry(entry, directory, touched, below);
    } catch (cause) {
      this.#touch(touched, this.#blamed(cause), withSlash(pathOf(directory)));
    }
    for (const each of below) for (const [finding, count] of await this.#visit(each)) increase(touched, finding, count);
    return touched;
  }

  async #entry(entry: EntryReader, directory: Directory, touched: Touched, below: Directory[]): Promise<void> {
    const { type, content } = entry;
    if (type === 'directory' && content !== undefined) {
      const location = { parent: directory, name: Buffer.from(entry.name) };
      below.push({ content: { ...content, ids: Buffer.from(content.ids) }, location, depth: directory.depth + 1 });
    }
    const blamed = new Set<Finding>();
    if (type === 'file' && content !== undefined) {
      if (content.depth === 0) this.#contentOf(content, blamed);
      else await this.#longContentOf(content, blamed);
    }
    if (entry.xattrs !== undefined || entry.holes !== undefined) await this.#attachments(entry, blamed);
    for (const finding of blamed) this.#touch(touched, finding, pathIn(directory, entry.name));
  }

  #touch(touched: Touched, finding: Finding, path: Buffer): void {
    finding.touch(path);
    increase(touched, finding, 1);
  }

  #contentOf(content: ContentRef, blamed: Set<Finding>): void {
    const size = this.#sum(content.ids, blamed);
    if (blamed.size === 0 && size !== content.size) blamed.add(this.#wrongSize(size, content.size));
  }

  async #longContentOf(content: ContentRef, blamed: Set<Finding>): Promise<void> {
    let size = 0;
    try {
      for await (const ids of streamIds(content, (id) => this.#blob(id))) size += this.#sum(ids, blamed);
      if (blamed.size === 0) checkSize(size, content.size);
    } catch (cause) {
      blamed.add(this.#blamed(cause));
    }
  }

  #wrongSize(size: number, stated: number): Finding {
    return this.#contradiction(`its chunks have ${size} bytes together, not ${stated} as the snapshot says`);
  }

  /** Sums the bytes of data blobs, and adds to `blamed` why some cannot be read. */
  #sum(ids: Buffer, blamed: Set<Finding>): number {
    let size = 0;
    for (let at = 0; at < ids.length; at += ID_BYTES) {
      const blob = this.#locate(ids, at, DATA);
      if (typeof blob === 'number') size += this.#index.lengthOf(blob);
      else blamed.add(blob);
    }
    return size;
  }

  async #attachments({ xattrs, holes, size, content }: EntryReader, blamed: Set<Finding>): Promise<void> {
    try {
      if (xattrs !== undefined) decodeXattrs(await this.#attachment(xattrs), 'its extended attributes');
      if (holes !== undefined)
        Layout.decode(await this.#attachment(holes), size, content?.size ?? 0, 'the list of its holes');
    } catch (cause) {
      blamed.add(this.#blamed(cause));
    }
  }

  async #attachment(attachment: Attachment): Promise<Buffer> {
    if (!isReference(attachment)) return attachment;
    const parts: Buffer[] = [];
    for await (const blob of this.#stream(attachment)) parts.push(blob);
    return Buffer.concat(parts);
  }

  /** The blobs of a stream of kind tree. @throws Blame or VarveError */
  #stream(content: ContentRef): AsyncGenerator<Buffer> {
    return streamBlobs(content, (id) => this.#blob(id));
  }

  /** @throws Blame when the tree blob cannot be read */
  async #blob(id: Buffer): Promise<Buffer> {
    const blob = this.#locate(id, 0, TREE);
    if (typeof blob !== 'number') throw new Blame(blob);
    try {
      return await this.#reader.blob(id);
    } catch (cause) {
      throwIfInterrupted(this.#signal);
      const frame = this.#index.locateFrame(blob);
      const finding = this.#findings.addError('data', this.#index.packName(this.#index.packOf(frame)), cause);
      this.#bad.addFrame(frame, () => finding);
      throw new Blame(finding);
    }
  }

  /** A blob's number, or why it cannot be read. */
  #locate(ids: Buffer, at: number, kind: BlobKind): number | Finding {
    const blob = this.#index.find(ids, at);
    if (blob < 0 || this.#index.packKind(this.#index.packOf(this.#index.locateFrame(blob))) !== kind) {
      const id = ids.toString('hex', at, at + ID_BYTES);
      const what = `${kind === DATA ? 'data' : 'tree'} blob ${id}`;
      return this.#findings.addAbsence('blobs', '', `${what} is in no pack that the index lists`);
    }
    return this.#bad.of(blob) ?? blob;
  }

  /** @throws VarveError `interrupted` when the check is aborted: the error then says nothing about the repository */
  #blamed(cause: unknown): Finding {
    throwIfInterrupted(this.#signal);
    return cause instanceof Blame ? cause.finding : this.#contradiction(reasonOf('', cause));
  }

  #contradiction(reason: string): Finding {
    return this.#findings.add(
      'trees',
      '',
      `what a snapshot says of a file or directory does not hold together: ${reason}`,
    );
  }
}

function increase(touched: Touched, finding: Finding, count: number): void {
  touched.set(finding, (touched.get(finding) ?? 0) + count);
}

function allFull(touched: Touched): boolean {
  for (const finding of touched.keys()) if (!finding.isFull) return false;
  return true;
}

function pathOf(directory: Directory): Buffer {
  const names: Buffer[] = [];
  for (let at = directory.location; at !== undefined; at = at.parent.location) names.unshift(SLASH, at.name);
  return names.length === 0 ? SLASH : Buffer.concat(names);
}

const withSlash = (path: Buffer): Buffer => (path.length === 1 ? path : Buffer.concat([path, SLASH]));

const pathIn = (directory: Directory, name: Buffer): Buffer => Buffer.concat([withSlash(pathOf(directory)), name]);
