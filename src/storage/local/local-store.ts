import { Buffer } from 'node:buffer';
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats, statSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BLOCK } from '../../bytes/pages.js';
import { errnoCode, systemReason, VarveError } from '../../errors/errors.js';
import {
  DIRECTORIES,
  DIRECTORY_MODE,
  FILE_MODE,
  LISTED_WITH_ROOT,
  objectFile,
  SHARDS,
  TEMPORARY,
  TEMPORARY_AGE_SECONDS,
} from '../layout.js';
import { makeDirectories } from '../make-directories.js';
import { fileError } from '../refused-access.js';
import {
  type Advice,
  HASH_NAME,
  type ObjectInfo,
  type ObjectType,
  objectPath,
  type Range,
  type Store,
} from '../store.js';
import { linkNew, syncDirectory, temporaryBeside, writeFully } from './durable.js';
import { Ownership } from './ownership.js';
import { READ_FLAGS, requireRegular } from './regular-file.js';

/** The total time for which reads of whole objects may block. A read from the page cache takes 20 µs here, and 170 µs in another thread. */
const BLOCKING_MILLISECONDS = 250;

/**
 * A repository in a directory, laid out as in restic's local backend (`data/ab/abcd…`). An object is written to a temporary file, synced
 * and renamed, and then its directory is synced.
 */
export class LocalStore implements Store {
  readonly location: string;
  #blocked = 0;
  #ownership: Ownership | undefined;

  constructor(path: string) {
    this.location = path;
  }

  async create(): Promise<void> {
    try {
      for (const directory of DIRECTORIES) makeDirectories(join(this.location, directory), DIRECTORY_MODE);
      for (const directory of DIRECTORIES)
        if (directory !== 'data') await this.ownership.giveDirectory(join(this.location, directory));
      await this.#createShards();
      await syncDirectory(this.location);
    } catch (cause) {
      const { path = this.location } = cause as NodeJS.ErrnoException;
      throw this.#error(cause, path, 'cannot create the repository directory');
    }
  }

  async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    const path = this.filePath(type, name);
    try {
      if (type !== 'config' && (await exists(path, totalLength(parts)))) return;
      const giveName = type === 'config' ? linkNew : rename;
      await this.#writeAs(path, parts, giveName).catch(async (cause) => {
        if (errnoCode(cause) !== 'ENOENT' || type === 'config') throw cause;
        await this.makeDirectoriesOf(type, name);
        await this.#writeAs(path, parts, giveName);
      });
    } catch (cause) {
      if (cause instanceof VarveError) throw cause;
      throw this.#error(cause, path, `cannot write ${objectPath(type, name)}`);
    }
  }

  async replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    const path = this.filePath(type, name);
    try {
      await this.#writeAs(path, parts, rename);
    } catch (cause) {
      throw this.#error(cause, path, `cannot write ${objectPath(type, name)}`);
    }
  }

  async get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer> {
    const path = this.filePath(type, name);
    let file: FileHandle | undefined;
    try {
      if (range === undefined) return await this.#readWhole(type, path);
      file = await open(path, READ_FLAGS);
      const info = await file.stat();
      requireRegular(info, path);
      const { size } = info;
      const { offset, length } = range;
      if (offset + length > size) {
        throw new VarveError('damaged', `${objectPath(type, name)}: truncated (${size} bytes); run \`varve check\``);
      }
      return await readFully(file, range, objectPath(type, name), advice?.into);
    } catch (cause) {
      throw this.#readError(cause, type, name);
    } finally {
      await file?.close();
    }
  }

  async stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    try {
      const info = await stat(this.filePath(type, name));
      return { name, size: info.size, modified: info.mtimeMs / 1000 };
    } catch (cause) {
      if (errnoCode(cause) === 'ENOENT') return undefined;
      throw this.#readError(cause, type, name);
    }
  }

  async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    if (type === LISTED_WITH_ROOT) await this.#removeStaleIn(this.location);
    const directory = join(this.location, type);
    const directories =
      type === 'data'
        ? (await this.#names(directory)).filter(isShard).map((shard) => join(directory, shard))
        : [directory];
    for (const each of directories) {
      for (const name of await this.#names(each)) {
        if (name.startsWith(TEMPORARY)) await removeStale(join(each, name));
        if (!HASH_NAME.test(name)) continue;
        const info = this.#statNow(type, name);
        if (info !== undefined) yield { name, size: info.size, modified: info.mtimeMs / 1000 };
      }
    }
  }

  async remove(type: ObjectType, name: string): Promise<void> {
    const path = this.filePath(type, name);
    try {
      await unlink(path);
      await syncDirectory(dirname(path));
    } catch (cause) {
      if (errnoCode(cause) !== 'ENOENT') throw this.#error(cause, path, `cannot remove ${objectPath(type, name)}`);
    }
  }

  async discard(): Promise<void> {
    const data = join(this.location, 'data');
    const shards = (await this.#names(data)).filter(isShard).map((shard) => join(data, shard));
    for (const directory of [...shards, ...DIRECTORIES.map((each) => join(this.location, each)), this.location]) {
      await rmdir(directory).catch((cause) => {
        if (errnoCode(cause) !== 'ENOENT') throw this.#error(cause, directory, 'cannot remove');
      });
    }
  }

  async now(): Promise<number> {
    return Date.now() / 1000;
  }

  async close(): Promise<void> {}

  filePath(type: ObjectType, name: string): string {
    return `${this.location}/${objectFile(type, name)}`;
  }

  /** Makes directories that a copy of the repository lacks because they were empty. A missing repository is an error. */
  async makeDirectoriesOf(type: ObjectType, name: string): Promise<void> {
    const directory = join(this.location, type);
    for (const each of type === 'data' ? [directory, dirname(this.filePath(type, name))] : [directory]) {
      await mkdir(each, { mode: DIRECTORY_MODE }).then(
        () => this.ownership.giveDirectory(each),
        (cause) => {
          if (errnoCode(cause) !== 'EEXIST') throw cause;
        },
      );
      await syncDirectory(dirname(each));
    }
  }

  /** The owner of new files. @throws the system's error when the repository's directory does not exist */
  get ownership(): Ownership {
    this.#ownership ??= new Ownership(this.location);
    return this.#ownership;
  }

  async #removeStaleIn(directory: string): Promise<void> {
    for (const name of await this.#names(directory))
      if (name.startsWith(TEMPORARY)) await removeStale(join(directory, name));
  }

  async #readWhole(type: ObjectType, path: string): Promise<Buffer> {
    if (type === 'data' || this.#blocked > BLOCKING_MILLISECONDS) return await readRegular(path);
    const start = performance.now();
    const bytes = readRegularNow(path);
    this.#blocked += performance.now() - start;
    return bytes;
  }

  /** Synchronous, because promises for hundreds of thousands of files take ten times as long. */
  #statNow(type: ObjectType, name: string): Stats | undefined {
    try {
      return statSync(this.filePath(type, name), { throwIfNoEntry: false });
    } catch (cause) {
      throw this.#readError(cause, type, name);
    }
  }

  async #names(directory: string): Promise<string[]> {
    try {
      return await readdir(directory);
    } catch (cause) {
      if (errnoCode(cause) === 'ENOENT') return [];
      throw this.#error(cause, directory, 'cannot list');
    }
  }

  async #createShards(): Promise<void> {
    const data = join(this.location, 'data');
    await this.ownership.giveDirectory(data);
    for (const shard of SHARDS) {
      makeDirectories(join(data, shard), DIRECTORY_MODE);
      await this.ownership.giveDirectory(join(data, shard));
    }
    await syncDirectory(data);
  }

  /** Writes a temporary file, syncs it, gives it its name by `giveName`, and syncs the directory. */
  async #writeAs(
    path: string,
    parts: readonly Uint8Array[],
    giveName: (from: string, to: string) => Promise<void>,
  ): Promise<void> {
    const temporary = temporaryBeside(path);
    try {
      await writeDurably(temporary, parts, this.ownership);
      await giveName(temporary, path);
    } catch (cause) {
      await unlink(temporary).catch(() => undefined);
      throw cause;
    }
    await syncDirectory(dirname(path));
  }

  #error(cause: unknown, path: string, doing: string): VarveError {
    if (!isFull(cause)) return fileError(cause, path, this.location, doing);
    const advice = 'the stored data is safe: free some space and run it again';
    return new VarveError('full', `${doing}: ${path}: ${systemReason(cause)}; ${advice}`, { cause });
  }

  #readError(cause: unknown, type: ObjectType, name: string): VarveError {
    const path = objectPath(type, name);
    if (cause instanceof VarveError)
      return cause.code === 'storage' ? new VarveError('storage', `cannot read ${path}: ${cause.message}`) : cause;
    if (errnoCode(cause) === 'ENOENT')
      return new VarveError('not-found', `${path}: missing from ${this.location}`, { cause });
    return this.#error(cause, this.filePath(type, name), `cannot read ${path}`);
  }
}

const isShard = (name: string): boolean => /^[0-9a-f]{2}$/.test(name);

const totalLength = (parts: readonly Uint8Array[]): number => parts.reduce((sum, part) => sum + part.length, 0);

async function exists(path: string, size: number): Promise<boolean> {
  try {
    return (await stat(path)).size === size;
  } catch {
    return false;
  }
}

/** The size in bytes from which an object is written past the page cache: without a copy, and without evicting other files. */
const DIRECT_BYTES = 1024 * 1024;

async function writeDurably(path: string, parts: readonly Uint8Array[], ownership: Ownership): Promise<void> {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined && (await writeDirectly(path, first, ownership))) return;
  const file = await open(path, 'wx', FILE_MODE);
  try {
    await ownership.giveFile(file, path);
    for (const part of parts) await writeFully(file, part);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** @returns false, without a file, when the alignment of memory or length, or the file system, does not allow it */
async function writeDirectly(path: string, bytes: Uint8Array, ownership: Ownership): Promise<boolean> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_DIRECT } = constants as typeof constants & { O_DIRECT?: number };
  if (O_DIRECT === undefined || bytes.length < DIRECT_BYTES || bytes.length % BLOCK !== 0) return false;
  let file: FileHandle;
  try {
    file = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_DIRECT, FILE_MODE);
  } catch (cause) {
    if (errnoCode(cause) !== 'EINVAL') throw cause;
    await unlink(path).catch(() => undefined);
    return false;
  }
  try {
    await ownership.giveFile(file, path);
    await writeFully(file, bytes);
    await file.sync();
    return true;
  } catch (cause) {
    if (errnoCode(cause) !== 'EINVAL') throw cause;
    await unlink(path);
    return false;
  } finally {
    await file.close();
  }
}

async function readRegular(path: string): Promise<Buffer> {
  const file = await open(path, READ_FLAGS);
  try {
    requireRegular(await file.stat(), path);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function readRegularNow(path: string): Buffer {
  const file = openSync(path, READ_FLAGS);
  try {
    requireRegular(fstatSync(file), path);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

async function readFully(file: FileHandle, { offset, length }: Range, path: string, into?: Buffer): Promise<Buffer> {
  const fits = into !== undefined && into.length >= length;
  const out = fits ? into.subarray(0, length) : Buffer.from(new ArrayBuffer(length));
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(out, filled, length - filled, offset + filled);
    if (bytesRead === 0) throw new VarveError('damaged', `${path}: ends early`);
    filled += bytesRead;
  }
  return out;
}

async function removeStale(path: string): Promise<void> {
  const info = await stat(path).catch(() => undefined);
  if (info !== undefined && Date.now() / 1000 - info.mtimeMs / 1000 > TEMPORARY_AGE_SECONDS) {
    await unlink(path).catch(() => undefined);
  }
}

function isFull(cause: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(errnoCode(cause) ?? '');
}
