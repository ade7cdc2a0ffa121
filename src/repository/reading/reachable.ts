import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { throwIfInterrupted, VarveError } from '../../errors/errors.js';
import { isReference } from '../../format/attachment.js';
import { type BlobKind, type ContentRef, DATA, TREE } from '../../format/content.js';
import type { EntryReader } from '../../format/entry-reader.js';
import { ID_BYTES, MAX_DEPTH } from '../../format/limits.js';
import type { IndexedRepository } from '../index/index-store.js';
import { locateBlob } from './blob-reader.js';
import { TreeReader } from './tree-reader.js';

interface PendingDirectory {
  readonly path: string;
  readonly depth: number;
  readonly content: ContentRef;
}

/** Finds all blobs that snapshots need. Takes 2 bytes of memory for each blob of the repository. */
export class Reachable {
  readonly #repository: IndexedRepository;
  readonly #trees: TreeReader;
  readonly #needed: Uint8Array;
  /** Directories of one blob that were found, by its number. */
  readonly #seen: Uint8Array;
  /** Other directories that were found, by a hash of their reference. */
  readonly #seenLonger = new Set<string>();
  readonly #signal: AbortSignal | undefined;

  /** @param before what was found with an earlier index. Everything needed must still be listed */
  constructor(repository: IndexedRepository, signal?: AbortSignal, before?: Reachable) {
    this.#repository = repository;
    this.#trees = new TreeReader(repository, { reuse: true, signal });
    this.#needed = new Uint8Array(new SharedArrayBuffer(repository.index.size));
    this.#seen = new Uint8Array(repository.index.size);
    this.#signal = signal;
    if (before !== undefined) this.#takeOver(before);
  }

  #takeOver(before: Reachable): void {
    const [from, to] = [before.#repository.index, this.#repository.index];
    for (const [blob, needed] of before.#needed.entries()) {
      if (needed === 0) continue;
      const first = to.findSame(from, blob);
      const now = first < 0 ? first : to.standInFor(first);
      if (now < 0)
        throw new VarveError(
          'damaged',
          'the index lacks a blob that it had before, and that snapshots need; run `varve check`',
        );
      this.#needed[now] = 1;
      this.#seen[now] = before.#seen[blob] as number;
    }
    for (const key of before.#seenLonger) this.#seenLonger.add(key);
  }

  /** Needs another copy in place of each that was rejected. @returns numbers of needed blobs of which no copy can be used */
  settle(): number[] {
    const { index } = this.#repository;
    const lost: number[] = [];
    if (index.shared.rejections[0] === 0) return lost;
    for (let blob = this.#needed.indexOf(1); blob >= 0; blob = this.#needed.indexOf(1, blob + 1)) {
      if (!index.isRejected(blob)) continue;
      const other = index.standInFor(blob);
      if (index.isRejected(other)) {
        lost.push(blob);
        continue;
      }
      this.#needed[blob] = 0;
      this.#needed[other] = 1;
    }
    return lost;
  }

  has(blob: number): boolean {
    return this.#needed[blob] === 1;
  }

  /** 1 for each needed blob of the index, in shared memory. */
  get needed(): Uint8Array {
    return this.#needed;
  }

  /**
   * Adds the blobs that snapshots need. Reads directories from the last frame to the first: a directory is stored after its contents, so
   * each frame is opened about once.
   *
   * @param onDirectories gets the number of directories that were read
   * @throws VarveError `damaged`, with the path, when the index lacks a blob or a tree cannot be read; `interrupted`
   */
  async add(roots: readonly ContentRef[], onDirectories?: (directories: number) => void): Promise<void> {
    const pending = new Map<number, PendingDirectory[]>();
    const find = (path: string, depth: number, content: ContentRef): void => {
      if (depth > MAX_DEPTH) throw new VarveError('damaged', `${path}: directories are nested too deeply`);
      if (!this.#isNew(content)) return;
      const frame = this.#frameOf(content);
      const others = pending.get(frame);
      if (others === undefined) pending.set(frame, [{ path, depth, content }]);
      else others.push({ path, depth, content });
    };
    for (const root of roots) find('/', 0, root);
    let read = 0;
    while (pending.size > 0) {
      for (let frame = this.#repository.index.shared.frameCount; frame >= 0; frame--) {
        const directories = pending.get(frame) ?? [];
        for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
          throwIfInterrupted(this.#signal);
          await this.#directory(directory, find);
          onDirectories?.(++read);
        }
        pending.delete(frame);
      }
    }
  }

  async #directory(
    directory: PendingDirectory,
    find: (path: string, depth: number, content: ContentRef) => void,
  ): Promise<void> {
    const { path, depth, content } = directory;
    await this.#stream(content, TREE, path);
    for await (const entry of this.#trees.entries(content, path)) {
      const inside = await this.#entry(path, entry);
      if (inside !== undefined) find(`${path === '/' ? '' : path}/${entry.name}`, depth + 1, inside);
    }
  }

  /** Number of the frame in which the directory begins; 0 when it is empty or its blob is missing. */
  #frameOf({ ids }: ContentRef): number {
    const { index } = this.#repository;
    const blob = ids.length === 0 ? -1 : index.find(ids);
    return blob < 0 ? 0 : index.locateFrame(blob);
  }

  /** @returns the content, if the entry is a directory */
  async #entry(directory: string, entry: EntryReader): Promise<ContentRef | undefined> {
    const { type, content, xattrs, holes } = entry;
    const path = (): string => `${directory === '/' ? '' : directory}/${entry.name}`;
    if (isReference(xattrs)) await this.#stream(xattrs, TREE, path());
    if (isReference(holes)) await this.#stream(holes, TREE, path());
    if (content === undefined) return undefined;
    if (type === 'directory') return { ...content, ids: Buffer.from(content.ids) };
    if (content.depth === 0) this.#mark(content.ids, DATA, path);
    else await this.#stream(content, DATA, path());
    return undefined;
  }

  async #stream(content: ContentRef, kind: BlobKind, path: string): Promise<void> {
    if (content.depth === 1) this.#mark(content.ids, TREE, () => path);
    for await (const ids of this.#trees.lists(content)) this.#mark(ids, kind, () => path);
  }

  #mark(ids: Buffer, kind: BlobKind, path: () => string): void {
    const { index } = this.#repository;
    for (let at = 0; at < ids.length; at += ID_BYTES) {
      const known = index.find(ids, at);
      if (known >= 0 && this.#needed[known] === 1) continue;
      try {
        locateBlob(index, ids.subarray(at, at + ID_BYTES), kind);
      } catch (cause) {
        throw new VarveError('damaged', `${path()}: ${VarveError.from(cause).message}`, { cause });
      }
      this.#needed[index.find(ids, at)] = 1;
    }
  }

  #isNew({ ids, depth, size }: ContentRef): boolean {
    const blob = depth === 0 && ids.length === ID_BYTES ? this.#repository.index.find(ids) : -1;
    if (blob >= 0) {
      if (this.#seen[blob] === 1) return false;
      this.#seen[blob] = 1;
      return true;
    }
    const key = createHash('sha256').update(`${depth} ${size} `).update(ids).digest('base64');
    if (this.#seenLonger.has(key)) return false;
    this.#seenLonger.add(key);
    return true;
  }
}
