import { Buffer } from 'node:buffer';
import { aboutPath, throwIfInterrupted, VarveError } from '../errors/errors.js';
import { type Attachment, isReference } from '../format/attachment.js';
import type { ContentRef } from '../format/content.js';
import type { BadEntry, EntryReader } from '../format/entry-reader.js';
import { MAX_DEPTH } from '../format/limits.js';
import type { Snapshot } from '../format/snapshot.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { TreeReader } from '../repository/reading/tree-reader.js';
import { RewriteMemo } from '../repository/rewriting/rewrite-memo.js';
import type { SnapshotMaker } from '../repository/rewriting/snapshot-session.js';
import {
  type RewrittenDirectory,
  TreeRewriter,
  type TreeVisitor,
  type Verdict,
} from '../repository/rewriting/tree-rewriter.js';
import type { StoredSnapshot } from '../repository/snapshots/snapshots.js';
import type { RepositoryWriter } from '../repository/writing/repository-writer.js';
import { ContentCopier } from './content-copier.js';
import { CopiedIds } from './copied-ids.js';
import { EarlierCopies } from './earlier-copy.js';

/** The tree's copy will report it. */
const passOver = (): void => undefined;

/** A snapshot to be copied. */
export interface CopyOrder {
  readonly stored: StoredSnapshot;
  /** A snapshot like it and the copy that the target has of that: what they share need not be read. */
  readonly related: RelatedCopy | undefined;
}

export interface RelatedCopy {
  readonly source: StoredSnapshot;
  readonly copy: StoredSnapshot;
}

/** Bytes of file contents: of those that are not known to be in the target, so that they are read. */
export interface CopyProgress {
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface CopyingOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: CopyProgress) => void;
  /** Hears of an entry that cannot be read, which the copy then lacks. */
  readonly onLost: (stored: StoredSnapshot, error: VarveError) => void;
}

/** Copies snapshots: first the contents, frame by frame, then the trees with the contents' new names. */
export class Copying implements SnapshotMaker<CopyOrder>, TreeVisitor {
  readonly #reader: TreeReader;
  readonly #writer: RepositoryWriter;
  readonly #contents: ContentCopier;
  readonly #earlier: EarlierCopies;
  readonly #rewriter: TreeRewriter;
  readonly #directories = new RewriteMemo();
  readonly #progress = { bytes: 0, totalBytes: 0 };
  readonly #signal: AbortSignal | undefined;
  readonly #onLost: CopyingOptions['onLost'];
  #stored: StoredSnapshot | undefined;
  /** Whether the copy of this snapshot lacks something. */
  #lacks = false;

  constructor(source: IndexedRepository, writer: RepositoryWriter, { signal, onProgress, onLost }: CopyingOptions) {
    const ids = new CopiedIds(source.index);
    const onCopied = (bytes: number): void => {
      this.#progress.bytes += bytes;
      onProgress?.(this.#progress);
    };
    this.#reader = new TreeReader(source, { signal });
    this.#writer = writer;
    this.#signal = signal;
    this.#onLost = onLost;
    this.#contents = new ContentCopier(source, writer, ids, onCopied, signal);
    this.#earlier = new EarlierCopies(source, writer.repository, { ids, directories: this.#directories }, signal);
    this.#rewriter = new TreeRewriter(this.#reader, writer, this, signal);
  }

  async make({ stored, related }: CopyOrder): Promise<Snapshot> {
    const { id, snapshot } = stored;
    this.#stored = stored;
    this.#lacks = false;
    if (related !== undefined) await this.#earlier.learn(related.source.snapshot.root, related.copy.snapshot.root);
    const root = await this.#root(snapshot.root);
    // Its parent is another repository's.
    return { ...snapshot, root, parent: undefined, original: snapshot.original ?? Buffer.from(id, 'hex') };
  }

  async #root(root: ContentRef): Promise<ContentRef> {
    try {
      await this.#wantAll(root);
      await this.#contents.copy();
      return (await this.#rewriter.rewrite(root)).content;
    } finally {
      this.#contents.forget();
    }
  }

  /** Notes the contents of all files that are in no directory known from before. */
  async #wantAll(root: ContentRef): Promise<void> {
    const visited = new RewriteMemo();
    const directories = [{ content: root, path: '/', depth: 0 }];
    for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
      throwIfInterrupted(this.#signal);
      const { content, path, depth } = directory;
      if (depth > MAX_DEPTH) throw new VarveError('damaged', `${path}: directories are nested too deeply`);
      if (this.#directories.get(content) !== undefined || visited.get(content) !== undefined) continue;
      visited.add(content, { content, changed: false, files: 0, bytes: 0 });
      for await (const entry of this.#reader.entries(content, path, passOver)) {
        if (entry.type === 'file' && entry.content !== undefined) await this.#want(entry.content);
        if (entry.type !== 'directory' || entry.content === undefined) continue;
        const below = { ...entry.content, ids: Buffer.from(entry.content.ids) };
        directories.push({ content: below, path: `${path}${entry.name}/`, depth: depth + 1 });
      }
    }
  }

  async #want(content: ContentRef): Promise<void> {
    if (content.depth === 0) this.#progress.totalBytes += this.#contents.want(content.ids);
    else for await (const ids of this.#reader.lists(content)) this.#progress.totalBytes += this.#contents.want(ids);
  }

  async visit(entry: EntryReader, path: Buffer): Promise<Verdict> {
    try {
      return await this.#copied(entry);
    } catch (cause) {
      throw aboutPath(path.toString(), cause);
    }
  }

  async #copied(entry: EntryReader): Promise<Verdict> {
    const { type, xattrs, holes, content } = entry;
    if (type !== 'file' && !isReference(xattrs)) return 'keep';
    const own = entry.entry();
    return {
      ...own,
      content: type === 'file' && content !== undefined ? await this.#content(content) : own.content,
      xattrs: await this.#attachment(xattrs),
      holes: await this.#attachment(holes),
    };
  }

  async #content(content: ContentRef): Promise<ContentRef> {
    const ids = await this.#reader.ids(content);
    if (!this.#contents.isCopied(ids)) {
      // A directory that was known when the contents were looked for, and is not any more.
      this.#contents.want(ids);
      await this.#contents.copy();
    }
    return this.#contents.reference(content.size, ids);
  }

  async #attachment(attachment: Attachment | undefined): Promise<Attachment | undefined> {
    if (!isReference(attachment)) return attachment;
    return this.#writer.attach(await this.#reader.attachment(attachment));
  }

  /** The target's list is cut by its own chunker. */
  mayKeep(): boolean {
    return false;
  }

  unreadable(cause: unknown): void {
    throw cause;
  }

  /** Its blobs have other names in the target. */
  keepsBad({ error }: BadEntry): boolean {
    this.#lacks = true;
    if (this.#stored !== undefined) this.#onLost(this.#stored, error);
    return false;
  }

  recall(content: ContentRef): RewrittenDirectory | undefined {
    return this.#directories.get(content);
  }

  remember(content: ContentRef, _path: Buffer, rewritten: RewrittenDirectory): void {
    // Each snapshot that shares a directory with a loss is to say so.
    if (!this.#lacks) this.#directories.add(content, { ...rewritten, changed: true });
  }
}
