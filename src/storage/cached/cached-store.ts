import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { VarveError } from '../../errors/errors.js';
import { type Advice, type ObjectInfo, type ObjectType, objectPath, type Range, type Store } from '../store.js';
import { type CacheDirectory, readAt } from './cache-directory.js';

const CACHED: ReadonlySet<ObjectType> = new Set(['index']);
/** Bytes of the largest object: a pack of 1 GiB, with as much parity. */
const LARGEST = 2 * 1024 * 1024 * 1024;
/** Bytes of a file that are hashed at a time. */
const PIECE = 256 * 1024;

/**
 * Keeps index objects and packs of trees, sealed as they are, in a directory of this machine (snapshots are remembered opened, by LocalState). Whatever is in the directory may be
 * deleted at any time, and is believed only when its SHA-256 is its name. A failing cache is a slow one, never an error.
 */
export class CachedStore implements Store {
  readonly location: string;
  readonly connections?: number;
  readonly lockSeconds: Store['lockSeconds'];
  readonly extend: Store['extend'];
  readonly #store: Store;
  readonly #directory: CacheDirectory;
  /** Packs whose name was compared with their content in this run. */
  readonly #verified = new Set<string>();

  constructor(store: Store, directory: CacheDirectory) {
    this.location = store.location;
    if (store.connections !== undefined) this.connections = store.connections;
    this.lockSeconds = store.lockSeconds;
    this.extend = store.extend?.bind(store);
    this.#store = store;
    this.#directory = directory;
  }

  /** The store itself, for who must see what is really there. */
  get origin(): Store {
    return this.#store;
  }

  create(): Promise<void> {
    return this.#store.create();
  }

  async put(type: ObjectType, name: string, parts: readonly Uint8Array[], advice?: Advice): Promise<void> {
    await this.#store.put(type, name, parts, advice);
    if (this.#keeps(type, advice)) this.#of(type).write(name, parts);
  }

  /** What is cached of it is as it was, or not believed. */
  replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#store.replace(type, name, parts);
  }

  async get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer> {
    if (!this.#keeps(type, advice)) return this.#store.get(type, name, range, advice);
    const cached = this.#load(type, name, range, advice?.room);
    if (cached !== undefined) return cached;
    const bytes = await this.#store.get(type, name);
    this.#of(type).write(name, [bytes]);
    return cut(bytes, range, objectPath(type, name));
  }

  stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    return this.#store.stat(type, name);
  }

  async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    const seen = new Set<string>();
    for await (const info of this.#store.list(type)) {
      seen.add(info.name);
      yield info;
    }
    if (CACHED.has(type)) this.retain(type, (name) => seen.has(name));
  }

  async remove(type: ObjectType, name: string): Promise<void> {
    await this.#store.remove(type, name);
    this.#of(type).remove(name);
  }

  now(): Promise<number> {
    return this.#store.now();
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** Forgets cached objects that are not to be kept. */
  retain(type: ObjectType, keep: (name: string) => boolean): void {
    const directory = this.#of(type);
    for (const name of directory.names()) if (!keep(name)) directory.remove(name);
  }

  #keeps(type: ObjectType, advice: Advice | undefined): boolean {
    return CACHED.has(type) || (type === 'data' && advice?.keep === true);
  }

  #of(type: ObjectType): CacheDirectory {
    return this.#directory.within(type);
  }

  /** Synchronous: what is in the page cache takes 40 µs this way, and 300 by way of another thread. */
  #load(type: ObjectType, name: string, range?: Range, room?: Buffer): Buffer | undefined {
    const directory = this.#of(type);
    return directory.open(name, LARGEST, (file, size) => {
      const whole = range === undefined ? readAt(file, Buffer.from(new ArrayBuffer(size)), 0) : undefined;
      if ((whole !== undefined || !this.#verified.has(name)) && hashOf(whole ?? file) !== name) {
        directory.remove(name);
        return undefined;
      }
      this.#verified.add(name);
      return range === undefined ? whole : readRange(file, range, room);
    });
  }
}

function cut(bytes: Buffer, range: Range | undefined, path: string): Buffer {
  if (range === undefined) return bytes;
  const end = range.offset + range.length;
  if (end > bytes.length)
    throw new VarveError('damaged', `${path}: truncated (${bytes.length} bytes); run \`varve check\``);
  return bytes.subarray(range.offset, end);
}

/** Lower-case hex SHA-256 of bytes or of an open file's, which are read piece by piece into the same memory. */
function hashOf(content: Buffer | number): string {
  const hash = createHash('sha256');
  if (typeof content !== 'number') return hash.update(content).digest('hex');
  const piece = Buffer.allocUnsafe(PIECE);
  for (let at = 0, count = -1; count !== 0; at += count) {
    count = readSync(content, piece, 0, PIECE, at);
    hash.update(piece.subarray(0, count));
  }
  return hash.digest('hex');
}

function readRange(file: number, { offset, length }: Range, room?: Buffer): Buffer | undefined {
  const fits = room !== undefined && room.length >= length;
  return readAt(file, fits ? room.subarray(0, length) : Buffer.from(new ArrayBuffer(length)), offset);
}
