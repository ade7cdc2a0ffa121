import { Buffer } from 'node:buffer';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { VarveError } from '../../errors/errors.js';
import { makeFolders } from '../make-folders.js';
import { type Advice, type ObjectInfo, type ObjectType, objectPath, type Range, type Store } from '../store.js';

const CACHED: ReadonlySet<ObjectType> = new Set(['index']);
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** Bytes of a file that are hashed at a time. */
const PIECE = 256 * 1024;

/**
 * Keeps index objects and packs of trees, sealed as they are, in a folder of this machine (snapshots are remembered opened, by LocalState). Whatever is in the folder may be
 * deleted at any time, and is believed only when its SHA-256 is its name. A failing cache is a slow one, never an error.
 */
export class CachedStore implements Store {
  readonly location: string;
  readonly connections?: number;
  readonly lockSeconds: Store['lockSeconds'];
  readonly extend: Store['extend'];
  readonly #store: Store;
  readonly #folder: string;
  /** Packs whose name was compared with their content in this run. */
  readonly #verified = new Set<string>();

  constructor(store: Store, folder: string) {
    this.location = store.location;
    if (store.connections !== undefined) this.connections = store.connections;
    this.lockSeconds = store.lockSeconds;
    this.extend = store.extend?.bind(store);
    this.#store = store;
    this.#folder = folder;
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
    if (this.#keeps(type, advice)) await this.#save(type, name, parts);
  }

  /** What is cached of it is as it was, or not believed. */
  replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#store.replace(type, name, parts);
  }

  async get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer> {
    if (!this.#keeps(type, advice)) return this.#store.get(type, name, range, advice);
    const cached = await this.#load(type, name, range, advice?.room);
    if (cached !== undefined) return cached;
    const bytes = await this.#store.get(type, name);
    await this.#save(type, name, [bytes]);
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
    if (CACHED.has(type)) await this.retain(type, (name) => seen.has(name));
  }

  async remove(type: ObjectType, name: string): Promise<void> {
    await this.#store.remove(type, name);
    await unlink(this.#path(type, name)).catch(() => undefined);
  }

  now(): Promise<number> {
    return this.#store.now();
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** Forgets cached objects that are not to be kept. */
  async retain(type: ObjectType, keep: (name: string) => boolean): Promise<void> {
    const folder = join(this.#folder, type);
    for (const name of await readdir(folder).catch(() => [])) {
      if (!keep(name)) await unlink(join(folder, name)).catch(() => undefined);
    }
  }

  #keeps(type: ObjectType, advice: Advice | undefined): boolean {
    return CACHED.has(type) || (type === 'data' && advice?.keep === true);
  }

  #path(type: ObjectType, name: string): string {
    return join(this.#folder, type, name);
  }

  async #load(type: ObjectType, name: string, range?: Range, room?: Buffer): Promise<Buffer | undefined> {
    const path = this.#path(type, name);
    if (!existsSync(path)) return undefined;
    try {
      const whole = range === undefined ? await readFile(path) : undefined;
      if ((whole !== undefined || !this.#verified.has(name)) && hashOf(whole ?? path) !== name) {
        await unlink(path);
        return undefined;
      }
      this.#verified.add(name);
      return range === undefined ? whole : readRange(path, range, room);
    } catch {
      return undefined;
    }
  }

  async #save(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    const path = this.#path(type, name);
    const temporary = `${path}.${randomBytes(4).toString('hex')}`;
    try {
      makeFolders(dirname(path), FOLDER_MODE);
      await writeFile(temporary, parts, { mode: FILE_MODE, flag: 'wx' });
      await rename(temporary, path);
    } catch {
      await unlink(temporary).catch(() => undefined);
    }
  }
}

function cut(bytes: Buffer, range: Range | undefined, path: string): Buffer {
  if (range === undefined) return bytes;
  const end = range.offset + range.length;
  if (end > bytes.length)
    throw new VarveError('damaged', `${path}: truncated (${bytes.length} bytes); run \`varve check\``);
  return bytes.subarray(range.offset, end);
}

/** Lower-case hex SHA-256 of bytes or of a file's, which are read piece by piece into the same memory. */
function hashOf(content: Buffer | string): string {
  const hash = createHash('sha256');
  if (typeof content !== 'string') return hash.update(content).digest('hex');
  const file = openSync(content, 'r');
  try {
    const piece = Buffer.allocUnsafe(PIECE);
    for (let count = readSync(file, piece); count > 0; count = readSync(file, piece))
      hash.update(piece.subarray(0, count));
  } finally {
    closeSync(file);
  }
  return hash.digest('hex');
}

/** Synchronous: what is in the page cache takes 40 µs this way, and 300 by way of another thread. */
function readRange(path: string, range: Range, room?: Buffer): Buffer | undefined {
  const file = openSync(path, 'r');
  try {
    const fits = room !== undefined && room.length >= range.length;
    const bytes = fits ? room.subarray(0, range.length) : Buffer.from(new ArrayBuffer(range.length));
    return readSync(file, bytes, 0, range.length, range.offset) === range.length ? bytes : undefined;
  } finally {
    closeSync(file);
  }
}
