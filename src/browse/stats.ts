import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { VarveError } from '../errors/errors.js';
import type { ContentRef } from '../format/content.js';
import type { EntryReader } from '../format/entry.js';
import { ID_BYTES, MAX_DEPTH } from '../format/limits.js';
import { splitIds } from '../repository/blob-reader.js';
import type { IndexedRepository } from '../repository/index-store.js';
import { TreeReader } from '../repository/tree-reader.js';

export type StatsMode = 'restore-size' | 'files-by-contents' | 'blobs-per-file' | 'raw-data';
export const STATS_MODES: readonly StatsMode[] = ['restore-size', 'files-by-contents', 'blobs-per-file', 'raw-data'];

export interface Stats {
  /** Bytes; for raw-data as they are stored. */
  totalSize: number;
  totalFiles: number;
  totalBlobs: number;
  snapshots: number;
  /** Bytes before compression; raw-data only. */
  totalUncompressed: number;
}

/** Bytes of a hash that keys a set: 128 bits tell all apart. */
const KEY_BYTES = 16;

/**
 * Counts what snapshots hold, in restic's ways:
 * restore-size, as if each was restored to a folder of its own; files-by-contents, each content once; blobs-per-file, the blobs of each
 * content; raw-data, the blobs that the snapshots need, as they are stored. A folder that is the same in many snapshots is read once.
 */
export async function stats(
  repository: IndexedRepository,
  roots: readonly ContentRef[],
  mode: StatsMode,
  signal?: AbortSignal,
): Promise<Stats> {
  const result: Stats = { totalSize: 0, totalFiles: 0, totalBlobs: 0, snapshots: roots.length, totalUncompressed: 0 };
  if (mode === 'restore-size') await new RestoreSize(repository, result, signal).count(roots);
  else if (mode === 'raw-data') await new RawData(repository, result, signal).count(roots);
  else await new Contents(repository, result, mode, signal).count(roots);
  return result;
}

function keyOf({ depth, ids }: ContentRef): string {
  const hash = createHash('sha256').update(Uint8Array.of(depth)).update(ids).digest();
  return hash.toString('latin1', 0, KEY_BYTES);
}

function stopIf(signal: AbortSignal | undefined, depth: number): void {
  if (signal?.aborted === true) throw new VarveError('interrupted', 'interrupted');
  if (depth > MAX_DEPTH) throw new VarveError('damaged', 'folders are nested too deeply');
}

interface Sums {
  files: number;
  bytes: number;
  /** Whether it holds names of files that have several: such a folder is not the sum of its parts. */
  linked: boolean;
}

class RestoreSize {
  readonly #reader: TreeReader;
  readonly #result: Stats;
  readonly #signal: AbortSignal | undefined;
  readonly #known = new Map<string, Sums>();
  #links = new Set<string>();

  constructor(repository: IndexedRepository, result: Stats, signal: AbortSignal | undefined) {
    this.#reader = new TreeReader(repository);
    this.#result = result;
    this.#signal = signal;
  }

  async count(roots: readonly ContentRef[]): Promise<void> {
    for (const root of roots) {
      this.#links = new Set();
      const { files, bytes } = await this.#folder(root, 0);
      this.#result.totalFiles += files;
      this.#result.totalSize += bytes;
    }
  }

  async #folder(content: ContentRef, depth: number): Promise<Sums> {
    stopIf(this.#signal, depth);
    const key = keyOf(content);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const sums: Sums = { files: 0, bytes: 0, linked: false };
    const below: ContentRef[] = [];
    for await (const entry of this.#reader.entries(content, 'a folder')) {
      sums.files++;
      if (entry.type === 'directory' && entry.content !== undefined) below.push(ownCopy(entry.content));
      else this.#file(entry, sums);
    }
    for (const each of below) {
      const { files, bytes, linked } = await this.#folder(each, depth + 1);
      sums.files += files;
      sums.bytes += bytes;
      sums.linked ||= linked;
    }
    if (!sums.linked) this.#known.set(key, sums);
    return sums;
  }

  #file({ type, size, links, device, inode }: EntryReader, sums: Sums): void {
    if (type !== 'file') return;
    if (links > 1) {
      sums.linked = true;
      const link = `${device}:${inode}`;
      if (this.#links.has(link)) return;
      this.#links.add(link);
    }
    sums.bytes += size;
  }
}

/** Folders are visited once, whatever the snapshot. */
abstract class Visiting {
  protected readonly reader: TreeReader;
  readonly #signal: AbortSignal | undefined;
  readonly #visited = new Set<string>();

  constructor(repository: IndexedRepository, signal: AbortSignal | undefined) {
    this.reader = new TreeReader(repository);
    this.#signal = signal;
  }

  async count(roots: readonly ContentRef[]): Promise<void> {
    for (const root of roots) await this.#folder(root, 0);
  }

  protected abstract file(content: ContentRef): Promise<void>;

  protected async folder(_content: ContentRef): Promise<void> {}

  async #folder(content: ContentRef, depth: number): Promise<void> {
    stopIf(this.#signal, depth);
    const key = keyOf(content);
    if (this.#visited.has(key)) return;
    this.#visited.add(key);
    await this.folder(content);
    const below: ContentRef[] = [];
    for await (const entry of this.reader.entries(content, 'a folder')) {
      if (entry.content === undefined) continue;
      if (entry.type === 'directory') below.push(ownCopy(entry.content));
      else await this.file(entry.content);
    }
    for (const each of below) await this.#folder(each, depth + 1);
  }
}

class Contents extends Visiting {
  readonly #repository: IndexedRepository;
  readonly #result: Stats;
  readonly #mode: StatsMode;
  readonly #seen = new Set<string>();

  constructor(repository: IndexedRepository, result: Stats, mode: StatsMode, signal: AbortSignal | undefined) {
    super(repository, signal);
    this.#repository = repository;
    this.#result = result;
    this.#mode = mode;
  }

  protected override async file(content: ContentRef): Promise<void> {
    const key = keyOf(content);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#result.totalFiles++;
    if (this.#mode === 'files-by-contents') this.#result.totalSize += content.size;
    else await this.#blobs(content);
  }

  async #blobs(content: ContentRef): Promise<void> {
    const { index } = this.#repository;
    const numbers = new Set<number>();
    for (const id of splitIds(await this.reader.ids(content))) numbers.add(index.find(id));
    for (const number of numbers) this.#result.totalSize += number < 0 ? 0 : index.lengthOf(number);
    this.#result.totalBlobs += numbers.size;
  }
}

class RawData extends Visiting {
  readonly #repository: IndexedRepository;
  readonly #result: Stats;
  /** One byte a blob: whether a snapshot needs it. */
  readonly #used: Uint8Array;

  constructor(repository: IndexedRepository, result: Stats, signal: AbortSignal | undefined) {
    super(repository, signal);
    this.#repository = repository;
    this.#result = result;
    this.#used = new Uint8Array(repository.index.size);
  }

  override async count(roots: readonly ContentRef[]): Promise<void> {
    await super.count(roots);
    this.#sum();
  }

  protected override async file(content: ContentRef): Promise<void> {
    if (content.depth === 1) this.#use(content.ids);
    this.#use(await this.reader.ids(content));
  }

  protected override async folder(content: ContentRef): Promise<void> {
    await this.file(content);
  }

  #use(ids: Buffer): void {
    const { index } = this.#repository;
    for (let at = 0; at < ids.length; at += ID_BYTES) {
      const number = index.find(ids.subarray(at, at + ID_BYTES));
      if (number >= 0) this.#used[number] = 1;
    }
  }

  /** A frame's stored bytes are shared out among its blobs by their length. */
  #sum(): void {
    const { index } = this.#repository;
    const frames = index.packCount === 0 ? 0 : index.framesOf(index.packCount - 1).end;
    for (let number = 0; number < frames; number++) {
      const { firstBlob, blobs, rawLength, storedLength } = index.frame(number);
      let raw = 0;
      for (let blob = firstBlob; blob < firstBlob + blobs; blob++) {
        if (this.#used[blob] !== 1) continue;
        raw += index.lengthOf(blob);
        this.#result.totalBlobs++;
      }
      this.#result.totalUncompressed += raw;
      this.#result.totalSize += (storedLength * raw) / rawLength;
    }
    this.#result.totalSize = Math.round(this.#result.totalSize);
  }
}

/** The entry that it came with is valid only until the next one. */
function ownCopy(content: ContentRef): ContentRef {
  return { ...content, ids: Buffer.from(content.ids) };
}
