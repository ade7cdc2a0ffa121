import { Buffer } from 'node:buffer';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { VarveError } from '../../errors/errors.js';
import { makeFolders } from '../make-folders.js';
import { type Advice, type ObjectInfo, type ObjectType, objectPath, type Range, type Store } from '../store.js';

const CACHED: ReadonlySet<ObjectType> = new Set(['index']);
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/**
 * Keeps index objects and packs of trees, sealed as they are, in a folder of this machine (snapshots are remembered opened, by LocalState). Whatever is in the folder may be
 * deleted at any time, and is believed only when its SHA-256 is its name. A failing cache is a slow one, never an error.
 */
export class CachedStore implements Store {
  readonly location: string;
  readonly #store: Store;
  readonly #folder: string;
  /** Packs whose name was compared with their content in this run. */
  readonly #verified = new Set<string>();

  constructor(store: Store, folder: string) {
    this.location = store.location;
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
    await this.#store.put(type, name, parts);
    if (this.#keeps(type, advice)) await this.#save(type, name, parts);
  }

  /** What is cached of it is as it was, or not believed. */
  replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#store.replace(type, name, parts);
  }

  async get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer> {
    if (!this.#keeps(type, advice)) return this.#store.get(type, name, range);
    const cached = await this.#load(type, name, range);
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

  async #load(type: ObjectType, name: string, range: Range | undefined): Promise<Buffer | undefined> {
    const path = this.#path(type, name);
    if (!existsSync(path)) return undefined;
    try {
      if (range !== undefined && this.#verified.has(name)) return await readRange(path, range);
      const bytes = await readFile(path);
      if (createHash('sha256').update(bytes).digest('hex') !== name) {
        await unlink(path);
        return undefined;
      }
      this.#verified.add(name);
      return cut(bytes, range, path);
    } catch {
      return undefined;
    }
  }

  async #save(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    const path = this.#path(type, name);
    const temporary = `${path}.${randomBytes(4).toString('hex')}`;
    try {
      makeFolders(dirname(path), FOLDER_MODE);
      await writeFile(temporary, Buffer.concat(parts), { mode: FILE_MODE, flag: 'wx' });
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

async function readRange(path: string, range: Range): Promise<Buffer | undefined> {
  const file = await open(path);
  try {
    const bytes = Buffer.from(new ArrayBuffer(range.length));
    const { bytesRead } = await file.read(bytes, 0, range.length, range.offset);
    return bytesRead === range.length ? bytes : undefined;
  } finally {
    await file.close();
  }
}
