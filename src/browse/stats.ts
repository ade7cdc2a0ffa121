// Counts files, blobs and bytes of snapshots in restic's four modes.
// Which snapshots to count is left to the caller.

import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { aboutPath, endsAll, throwIfInterrupted, VarveError } from '../errors/errors.js';
import { type Attachment, isReference } from '../format/attachment.js';
import { type BlobKind, type ContentRef, DATA, TREE } from '../format/content.js';
import type { BadEntry, EntryReader } from '../format/entry-reader.js';
import { MAX_DEPTH } from '../format/limits.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { locateBlob } from '../repository/reading/blob-reader.js';
import { splitIds } from '../repository/reading/content-stream.js';
import { TreeReader } from '../repository/reading/tree-reader.js';

export type StatsMode = 'restore-size' | 'files-by-contents' | 'blobs-per-file' | 'raw-data';
export const STATS_MODES: readonly StatsMode[] = ['restore-size', 'files-by-contents', 'blobs-per-file', 'raw-data'];

export interface StatsOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with what cannot be read; the rest is counted. Without it, the error is thrown. */
  readonly onError?: (error: VarveError) => void;
}

export interface Stats {
  /** Bytes; in raw-data mode, bytes as stored. */
  totalSize: number;
  totalFiles: number;
  totalBlobs: number;
  snapshots: number;
  /** Bytes before compression; raw-data mode only. */
  totalUncompressed: number;
}

/** Bytes of the hash: 128 bits make collisions impossible in practice. */
const KEY_BYTES = 16;

/**
 * Counts what snapshots hold, in restic's modes:
 * - restore-size: as if each snapshot was restored to a directory of its own
 * - files-by-contents: each distinct content once
 * - blobs-per-file: the blobs of each distinct content
 * - raw-data: the blobs that the snapshots need, as stored
 *
 * Holes count as zeros, except in modes that count blobs. A directory that several snapshots share is read once.
 */
export async function stats(
  repository: IndexedRepository,
  roots: readonly ContentRef[],
  mode: StatsMode,
  options: StatsOptions = {},
): Promise<Stats> {
  const result: Stats = { totalSize: 0, totalFiles: 0, totalBlobs: 0, snapshots: roots.length, totalUncompressed: 0 };
  if (mode === 'restore-size') await new RestoreSize(repository, result, options).count(roots);
  else if (mode === 'raw-data') await new RawData(repository, result, options).count(roots);
  else await new Contents(repository, result, mode, options).count(roots);
  return result;
}

/** @param holes files with the same stream but other holes have another key */
function keyOf({ depth, ids }: ContentRef, holes?: Attachment): string {
  const hash = createHash('sha256').update(Uint8Array.of(depth)).update(ids);
  if (holes !== undefined) hash.update(isReference(holes) ? holes.ids : holes);
  return hash.digest().toString('latin1', 0, KEY_BYTES);
}

/** A directory to visit. The path is only for errors. */
interface Directory {
  readonly content: ContentRef;
  readonly path: string;
  readonly depth: number;
}

function pathIn({ path }: Directory, name: Buffer): string {
  return `${path === '/' ? '' : path}/${name}`;
}

function rootDirectory(content: ContentRef): Directory {
  return { content, path: '/', depth: 0 };
}

/** A child of a directory. Copies what is valid only until the next entry. */
function subdirectory(directory: Directory, name: Buffer, content: ContentRef): Directory {
  const ids = Buffer.from(content.ids);
  return { content: { ...content, ids }, path: pathIn(directory, name), depth: directory.depth + 1 };
}

function checkDirectory(signal: AbortSignal | undefined, { path, depth }: Directory): void {
  throwIfInterrupted(signal);
  if (depth > MAX_DEPTH) throw new VarveError('damaged', `${path}: directories are nested too deeply`);
}

interface Sums {
  files: number;
  bytes: number;
  /** Whether there are hard links below. The sums of such a directory cannot be reused, because a link counts once in a snapshot. */
  linked: boolean;
}

class RestoreSize {
  readonly #reader: TreeReader;
  readonly #result: Stats;
  readonly #options: StatsOptions;
  readonly #known = new Map<string, Sums>();
  #links = new Set<string>();

  constructor(repository: IndexedRepository, result: Stats, options: StatsOptions) {
    this.#reader = new TreeReader(repository, { signal: options.signal });
    this.#result = result;
    this.#options = options;
  }

  async count(roots: readonly ContentRef[]): Promise<void> {
    for (const root of roots) {
      this.#links = new Set();
      const { files, bytes } = await this.#directory(rootDirectory(root));
      this.#result.totalFiles += files;
      this.#result.totalSize += bytes;
    }
  }

  async #directory(directory: Directory): Promise<Sums> {
    checkDirectory(this.#options.signal, directory);
    const key = keyOf(directory.content);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const sums: Sums = { files: 0, bytes: 0, linked: false };
    const below: Directory[] = [];
    for await (const entry of readable(this.#reader, directory, this.#options)) {
      sums.files++;
      if (entry.type === 'directory' && entry.content !== undefined)
        below.push(subdirectory(directory, entry.name, entry.content));
      else this.#file(entry, sums);
    }
    for (const each of below) {
      const { files, bytes, linked } = await this.#directory(each);
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

/** Lists the entries of a directory that can be read. */
async function* readable(
  reader: TreeReader,
  { content, path }: Directory,
  { onError }: StatsOptions,
): AsyncGenerator<EntryReader> {
  const onBad = onError && (({ error }: BadEntry): void => onError(error));
  const entries = reader.entries(content, path, onBad);
  try {
    yield* entries;
  } catch (cause) {
    report(cause, onError);
  }
}

async function withPath(path: string, counting: Promise<void>, { onError }: StatsOptions): Promise<void> {
  try {
    await counting;
  } catch (cause) {
    report(aboutPath(path, cause), onError);
  }
}

/** @throws the cause, unless it is an error in the data and a callback takes it */
function report(cause: unknown, onError: StatsOptions['onError']): void {
  if (onError === undefined || !(cause instanceof VarveError) || endsAll(cause)) throw cause;
  onError(cause);
}

/** Visits each directory once, whatever the snapshot. */
abstract class DirectoryVisitor {
  protected readonly reader: TreeReader;
  readonly #options: StatsOptions;
  readonly #visited = new Set<string>();

  constructor(repository: IndexedRepository, options: StatsOptions) {
    this.reader = new TreeReader(repository, { signal: options.signal });
    this.#options = options;
  }

  async count(roots: readonly ContentRef[]): Promise<void> {
    for (const root of roots) await this.#directory(rootDirectory(root));
  }

  protected abstract entry(entry: EntryReader): Promise<void>;

  protected async directory(_content: ContentRef): Promise<void> {}

  async #directory(directory: Directory): Promise<void> {
    checkDirectory(this.#options.signal, directory);
    const key = keyOf(directory.content);
    if (this.#visited.has(key)) return;
    this.#visited.add(key);
    await withPath(directory.path, this.directory(directory.content), this.#options);
    const below: Directory[] = [];
    for await (const entry of readable(this.reader, directory, this.#options)) {
      const { type, name, content } = entry;
      await withPath(pathIn(directory, name), this.entry(entry), this.#options);
      if (type === 'directory' && content !== undefined) below.push(subdirectory(directory, name, content));
    }
    for (const each of below) await this.#directory(each);
  }
}

class Contents extends DirectoryVisitor {
  readonly #repository: IndexedRepository;
  readonly #result: Stats;
  readonly #mode: StatsMode;
  readonly #seen = new Set<string>();

  constructor(repository: IndexedRepository, result: Stats, mode: StatsMode, options: StatsOptions) {
    super(repository, options);
    this.#repository = repository;
    this.#result = result;
    this.#mode = mode;
  }

  protected override async entry({ type, content, size, holes }: EntryReader): Promise<void> {
    if (type !== 'file' || content === undefined) return;
    const key = keyOf(content, holes);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#result.totalFiles++;
    if (this.#mode === 'files-by-contents') this.#result.totalSize += size;
    else await this.#blobs(content);
  }

  async #blobs(content: ContentRef): Promise<void> {
    const { index } = this.#repository;
    const lengths = new Map<number, number>();
    for await (const ids of this.reader.lists(content)) {
      for (const id of splitIds(ids)) lengths.set(index.find(id), locateBlob(index, id, DATA).length);
    }
    for (const length of lengths.values()) this.#result.totalSize += length;
    this.#result.totalBlobs += lengths.size;
  }
}

class RawData extends DirectoryVisitor {
  readonly #repository: IndexedRepository;
  readonly #result: Stats;
  /** One byte for each blob: 1 when a snapshot needs it. */
  readonly #used: Uint8Array;

  constructor(repository: IndexedRepository, result: Stats, options: StatsOptions) {
    super(repository, options);
    this.#repository = repository;
    this.#result = result;
    this.#used = new Uint8Array(repository.index.size);
  }

  override async count(roots: readonly ContentRef[]): Promise<void> {
    await super.count(roots);
    this.#sum();
  }

  protected override async directory(content: ContentRef): Promise<void> {
    await this.#use(content, TREE);
  }

  protected override async entry({ type, content, xattrs, holes }: EntryReader): Promise<void> {
    if (type === 'file' && content !== undefined) await this.#use(content, DATA);
    for (const attachment of [xattrs, holes]) if (isReference(attachment)) await this.#use(attachment, TREE);
  }

  async #use(content: ContentRef, kind: BlobKind): Promise<void> {
    if (content.depth === 1) this.#mark(content.ids, TREE);
    for await (const ids of this.reader.lists(content)) this.#mark(ids, kind);
  }

  /** @throws VarveError `damaged` when a blob is missing */
  #mark(ids: Buffer, kind: BlobKind): void {
    const { index } = this.#repository;
    for (const id of splitIds(ids)) {
      locateBlob(index, id, kind);
      this.#used[index.find(id)] = 1;
    }
  }

  /** Sums up. Each blob's share of its frame's stored bytes is proportional to its length. */
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
