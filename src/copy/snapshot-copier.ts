// Copies one snapshot after another into a repository: first contents, then trees.
// Contents are left to content-copier.ts, known copies to earlier-copies.ts, rewriting of trees to TreeRewriter.

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
import { EarlierCopies } from './earlier-copies.js';

/** Ignores an entry that cannot be read. It is reported when the tree is copied. */
const ignore = (): void => undefined;

/** A snapshot to copy. */
export interface CopyTask {
  readonly stored: StoredSnapshot;
  /** A similar snapshot with its copy in the target. What they share need not be read. */
  readonly related: RelatedCopy | undefined;
}

export interface RelatedCopy {
  readonly source: StoredSnapshot;
  readonly copy: StoredSnapshot;
}

/** Bytes of the file contents that must be read because the target may lack them. */
export interface CopyProgress {
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface SnapshotCopierOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: CopyProgress) => void;
  /** Called with an entry that cannot be read. The copy lacks it. */
  readonly onLost: (stored: StoredSnapshot, error: VarveError) => void;
}

/** Copies snapshots: first the contents, frame by frame, then the trees with the new ids of the contents. */
export class SnapshotCopier implements SnapshotMaker<CopyTask>, TreeVisitor {
  readonly #reader: TreeReader;
  readonly #writer: RepositoryWriter;
  readonly #contents: ContentCopier;
  readonly #earlier: EarlierCopies;
  readonly #rewriter: TreeRewriter;
  readonly #directories = new RewriteMemo();
  readonly #progress = { bytes: 0, totalBytes: 0 };
  readonly #signal: AbortSignal | undefined;
  readonly #onLost: SnapshotCopierOptions['onLost'];
  #stored: StoredSnapshot | undefined;
  /** Whether the copy of the current snapshot lacks an entry. */
  #isIncomplete = false;

  constructor(
    source: IndexedRepository,
    writer: RepositoryWriter,
    { signal, onProgress, onLost }: SnapshotCopierOptions,
  ) {
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

  async make({ stored, related }: CopyTask): Promise<Snapshot> {
    const { id, snapshot } = stored;
    this.#stored = stored;
    this.#isIncomplete = false;
    if (related !== undefined) await this.#earlier.learn(related.source.snapshot.root, related.copy.snapshot.root);
    const root = await this.#root(snapshot.root);
    // The parent belongs to the source.
    return { ...snapshot, root, parent: undefined, original: snapshot.original ?? Buffer.from(id, 'hex') };
  }

  async #root(root: ContentRef): Promise<ContentRef> {
    try {
      await this.#requestAll(root);
      await this.#contents.copy();
      return (await this.#rewriter.rewrite(root)).content;
    } finally {
      this.#contents.cancel();
    }
  }

  /** Requests the contents of all files, except in directories that are already copied. */
  async #requestAll(root: ContentRef): Promise<void> {
    const visited = new RewriteMemo();
    const directories = [{ content: root, path: '/', depth: 0 }];
    for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
      throwIfInterrupted(this.#signal);
      const { content, path, depth } = directory;
      if (depth > MAX_DEPTH) throw new VarveError('damaged', `${path}: directories are nested too deeply`);
      if (this.#directories.get(content) !== undefined || visited.get(content) !== undefined) continue;
      visited.add(content, { content, changed: false, files: 0, bytes: 0 });
      for await (const entry of this.#reader.entries(content, path, ignore)) {
        if (entry.type === 'file' && entry.content !== undefined) await this.#request(entry.content);
        if (entry.type !== 'directory' || entry.content === undefined) continue;
        const below = { ...entry.content, ids: Buffer.from(entry.content.ids) };
        directories.push({ content: below, path: `${path}${entry.name}/`, depth: depth + 1 });
      }
    }
  }

  async #request(content: ContentRef): Promise<void> {
    if (content.depth === 0) this.#progress.totalBytes += this.#contents.request(content.ids);
    else for await (const ids of this.#reader.lists(content)) this.#progress.totalBytes += this.#contents.request(ids);
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
      // Its directory was in the memo when contents were requested, but is no longer.
      this.#contents.request(ids);
      await this.#contents.copy();
    }
    return this.#contents.reference(content.size, ids);
  }

  async #attachment(attachment: Attachment | undefined): Promise<Attachment | undefined> {
    if (!isReference(attachment)) return attachment;
    return this.#writer.attach(await this.#reader.attachment(attachment));
  }

  /** Never: the target cuts its list of entries with its own chunker. */
  mayKeep(): boolean {
    return false;
  }

  unreadable(cause: unknown): void {
    throw cause;
  }

  /** Drops it: its blobs have other ids in the target. */
  keepsBad({ error }: BadEntry): boolean {
    this.#isIncomplete = true;
    if (this.#stored !== undefined) this.#onLost(this.#stored, error);
    return false;
  }

  recall(content: ContentRef): RewrittenDirectory | undefined {
    return this.#directories.get(content);
  }

  remember(content: ContentRef, _path: Buffer, rewritten: RewrittenDirectory): void {
    // Otherwise each snapshot that shares the directory must report the loss.
    if (!this.#isIncomplete) this.#directories.add(content, { ...rewritten, changed: true });
  }
}
