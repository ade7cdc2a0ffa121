// Makes a tree out of another one, directory by directory.
// What becomes of each entry is left to a TreeVisitor.
import { Buffer } from 'node:buffer';
import { MessagePackWriter } from '../../bytes/writer.js';
import { isInterrupted, throwIfInterrupted, VarveError } from '../../errors/errors.js';
import { type ContentRef, sameReference } from '../../format/content.js';
import { type Entry, writeEntry } from '../../format/entry.js';
import type { BadEntry, EntryReader } from '../../format/entry-reader.js';
import { MAX_DEPTH } from '../../format/limits.js';
import { joinPath } from '../../format/path.js';
import type { TreeReader } from '../reading/tree-reader.js';
import type { RepositoryWriter } from '../writing/repository-writer.js';
import type { TreeStream } from '../writing/tree-stream.js';

/** What becomes of an entry: it is kept, dropped, or replaced by one with the same name. */
export type Verdict = 'keep' | 'drop' | Entry;

/** Decides what becomes of a tree. */
export interface TreeVisitor {
  /**
   * The contents of a kept directory are visited before the next entry, and the directory gets its content from them.
   *
   * @param path absolute
   */
  visit(entry: EntryReader, path: Buffer): Verdict | Promise<Verdict>;
  /** Whether a kept directory stays when nothing is left in it. The default is that it does. */
  keepsEmpty?(path: Buffer): boolean;
  /** Whether an unchanged directory may keep its stored content. Otherwise it is stored again. */
  mayKeep(content: ContentRef): boolean | Promise<boolean>;
  /** Called when a directory cannot be read from some point on. The entries before it are kept, unless this throws the cause. */
  unreadable(cause: unknown, path: Buffer): void;
  /** Whether an entry that cannot be read stays as it is stored. Otherwise the directory loses it. */
  keepsBad(bad: BadEntry, directory: Buffer): boolean;
  /** The result for a directory that was rewritten before, if it is known. */
  recall(content: ContentRef, path: Buffer): RewrittenDirectory | undefined;
  remember(content: ContentRef, path: Buffer, rewritten: RewrittenDirectory): void;
}

/** A directory of the new tree, with the counts of everything below it. */
export interface RewrittenDirectory {
  readonly content: ContentRef;
  readonly changed: boolean;
  /** Number of entries of type file. */
  readonly files: number;
  readonly bytes: number;
}

interface Directory {
  readonly content: ContentRef;
  readonly path: Buffer;
  readonly depth: number;
}

const ROOT = Buffer.from('/');

/**
 * Makes a tree out of another one, of this or another repository: directory by directory, children first. For each directory on the way
 * down it holds one blob and the bytes that are not cut yet, whatever the number of its entries. Unchanged directories are not written.
 */
export class TreeRewriter {
  readonly #reader: TreeReader;
  readonly #writer: RepositoryWriter;
  readonly #visitor: TreeVisitor;
  readonly #signal: AbortSignal | undefined;
  readonly #encoder = new MessagePackWriter();

  constructor(reader: TreeReader, writer: RepositoryWriter, visitor: TreeVisitor, signal?: AbortSignal) {
    this.#reader = reader;
    this.#writer = writer;
    this.#visitor = visitor;
    this.#signal = signal;
  }

  /** @throws VarveError `damaged` with the path, when the visitor throws what cannot be read; `interrupted` */
  rewrite(root: ContentRef): Promise<RewrittenDirectory> {
    return this.#directory({ content: root, path: ROOT, depth: 0 });
  }

  async #directory(directory: Directory): Promise<RewrittenDirectory> {
    const { content, path, depth } = directory;
    throwIfInterrupted(this.#signal);
    if (depth > MAX_DEPTH) throw new VarveError('damaged', `${path}: directories are nested too deeply`);
    const known = this.#visitor.recall(content, path);
    if (known !== undefined) return known;
    const work = new DirectoryWork(this.#reader, this.#writer, content);
    let read = false;
    try {
      for await (const entry of this.#reader.entries(content, path.toString(), (bad) => work.noteBad(bad))) {
        read = true;
        await this.#takeBad(directory, work);
        await this.#entry(entry, directory, work);
        read = false;
      }
    } catch (cause) {
      // An error while an entry is rewritten is not about this directory.
      if (read || isInterrupted(cause)) throw cause;
      await this.#takeBad(directory, work);
      this.#visitor.unreadable(cause, path);
      await work.change();
    }
    await this.#takeBad(directory, work);
    if (!work.changed && !(await this.#visitor.mayKeep(content))) await work.change();
    const rewritten = work.end();
    await this.#writer.settle();
    this.#visitor.remember(content, path, rewritten);
    return rewritten;
  }

  /** Keeps or leaves out the entries that could not be read since the last one that could. */
  async #takeBad({ path }: Directory, work: DirectoryWork): Promise<void> {
    for (const bad of work.takeBad()) {
      if (this.#visitor.keepsBad(bad, path)) work.keep(bad.raw);
      else await work.change();
    }
  }

  async #entry(entry: EntryReader, directory: Directory, work: DirectoryWork): Promise<void> {
    const path = joinPath(directory.path, entry.name);
    const decided = this.#visitor.visit(entry, path);
    const verdict = decided instanceof Promise ? await decided : decided;
    if (verdict === 'drop') {
      await work.change();
      return;
    }
    const of = verdict === 'keep' ? entry : verdict;
    if (of.type === 'file') work.count(of.size);
    const below = of.type === 'directory' ? await this.#below(of, directory, path, work) : undefined;
    if (below === 'drop') {
      await work.change();
      return;
    }
    const next = below ?? (verdict === 'keep' ? undefined : verdict);
    if (next === undefined) {
      work.keep(entry.raw);
      return;
    }
    await work.change();
    this.#encoder.reset();
    writeEntry(this.#encoder, next);
    work.add(this.#encoder.view());
  }

  /** A directory's entry with its new content; undefined when that has not changed, `drop` when the directory is empty and does not stay. */
  async #below(
    entry: EntryReader | Entry,
    { depth }: Directory,
    path: Buffer,
    work: DirectoryWork,
  ): Promise<Entry | 'drop' | undefined> {
    const own = 'entry' in entry ? entry.entry() : entry;
    if (own.content === undefined) throw new VarveError('internal', `${path}: a directory without content`);
    const rewritten = await this.#directory({ content: own.content, path, depth: depth + 1 });
    work.countBelow(rewritten);
    if (rewritten.content.size === 0 && this.#visitor.keepsEmpty?.(path) === false) return 'drop';
    return rewritten.changed ? { ...own, content: rewritten.content } : undefined;
  }
}

/** The new list of entries of one directory. Nothing is written as long as it equals the old one. */
class DirectoryWork {
  readonly #reader: TreeReader;
  readonly #writer: RepositoryWriter;
  readonly #content: ContentRef;
  /** Bytes at the beginning of the old list that the new one begins with. */
  #kept = 0;
  #stream: TreeStream | undefined;
  readonly #bad: BadEntry[] = [];
  #files = 0;
  #bytes = 0;

  constructor(reader: TreeReader, writer: RepositoryWriter, content: ContentRef) {
    this.#reader = reader;
    this.#writer = writer;
    this.#content = content;
  }

  get changed(): boolean {
    return this.#stream !== undefined;
  }

  keep(raw: Buffer): void {
    if (this.#stream === undefined) this.#kept += raw.length;
    else this.#stream.write(raw);
  }

  /** Begins to write the new list, with the bytes that were kept so far: from here on it differs. */
  async change(): Promise<void> {
    if (this.#stream !== undefined) return;
    const stream = this.#writer.stream();
    let left = this.#kept;
    if (left > 0) {
      for await (const blob of this.#reader.stream(this.#content)) {
        stream.write(blob.subarray(0, left));
        left -= Math.min(left, blob.length);
        if (left === 0) break;
      }
    }
    this.#stream = stream;
  }

  add(raw: Uint8Array): void {
    this.#stream?.write(raw);
  }

  noteBad({ name, raw, error }: BadEntry): void {
    this.#bad.push({ name: name && Buffer.from(name), raw: Buffer.from(raw), error });
  }

  takeBad(): readonly BadEntry[] {
    return this.#bad.splice(0);
  }

  count(bytes: number): void {
    this.#files++;
    this.#bytes += bytes;
  }

  countBelow({ files, bytes }: RewrittenDirectory): void {
    this.#files += files;
    this.#bytes += bytes;
  }

  end(): RewrittenDirectory {
    const counts = { files: this.#files, bytes: this.#bytes };
    const old = { ...this.#content, ids: Buffer.from(this.#content.ids) };
    if (this.#stream === undefined) return { content: old, changed: false, ...counts };
    const content = this.#writer.reference(this.#stream.end());
    return { content, changed: !sameReference(content, old), ...counts };
  }
}
