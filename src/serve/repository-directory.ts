import { constants } from 'node:fs';
import { type FileHandle, lstat, open, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoCode } from '../errors/errors.js';
import { DIRECTORIES, SHARDS } from '../storage/layout.js';
import { NewFile, syncDirectory } from '../storage/local/durable.js';
import { LocalStore } from '../storage/local/local-store.js';
import type { ObjectInfo, ObjectType } from '../storage/store.js';
import { alreadyExists, notFound } from './http-error.js';
import type { HashedType } from './target.js';

/** Neither follow links nor wait for pipes. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The files of one repository, in the layout of a local repository. Names and types must come from `parseTarget`, which validates them. */
export class RepositoryDirectory {
  readonly #root: string;
  readonly #names: readonly string[];
  readonly #store: LocalStore;

  /** @param root the directory that is served */
  constructor(root: string, names: readonly string[]) {
    this.#root = root;
    this.#names = names;
    this.#store = new LocalStore(join(root, ...names));
  }

  /** Counts the directories that `create` would make. */
  async countMissing(): Promise<number> {
    const above = this.#names.map((_, at) => join(this.#root, ...this.#names.slice(0, at + 1)));
    const types = DIRECTORIES.map((type) => join(this.#store.location, type));
    const shards = SHARDS.map((shard) => join(this.#store.location, 'data', shard));
    const there = await Promise.all([...above, ...types, ...shards].map(fileExists));
    return there.filter((each) => !each).length;
  }

  /** Makes the repository's directories that do not exist. */
  async create(): Promise<void> {
    // Fails if the disk is not mounted, instead of filling the mount point.
    await stat(this.#root);
    await this.#store.create();
  }

  /** Returns the bytes of an object. @throws HttpError 404 */
  async size(type: ObjectType, name: string): Promise<number> {
    const info = await lstat(this.#store.filePath(type, name));
    if (!info.isFile()) throw notFound();
    return info.size;
  }

  /** Opens an object; the caller closes it. @throws HttpError 404 when it is not a file */
  async open(type: ObjectType, name: string): Promise<{ readonly file: FileHandle; readonly size: number }> {
    const file = await open(this.#store.filePath(type, name), READ);
    try {
      const info = await file.stat();
      if (!info.isFile()) throw notFound();
      return { file, size: info.size };
    } catch (cause) {
      await file.close();
      throw cause;
    }
  }

  /** Begins a new object. @throws HttpError 403 when it already exists, 404 when there is no repository */
  async begin(type: ObjectType, name: string): Promise<NewFile> {
    const path = this.#store.filePath(type, name);
    if (await fileExists(path)) throw alreadyExists();
    try {
      return await NewFile.begin(path, this.#store.ownership);
    } catch (cause) {
      if (errnoCode(cause) !== 'ENOENT' || type === 'config') throw cause;
      await this.#store.makeDirectoriesOf(type, name);
      return await NewFile.begin(path, this.#store.ownership);
    }
  }

  /** Returns the bytes that were freed; undefined when the object did not exist. */
  async remove(type: ObjectType, name: string): Promise<number | undefined> {
    const path = this.#store.filePath(type, name);
    try {
      const { size } = await lstat(path);
      await unlink(path);
      await syncDirectory(dirname(path));
      return size;
    } catch (cause) {
      if (errnoCode(cause) === 'ENOENT') return undefined;
      throw cause;
    }
  }

  /** @throws HttpError 404 when the directory of this type does not exist */
  async requireDirectory(type: HashedType): Promise<void> {
    await stat(join(this.#store.location, type));
  }

  list(type: HashedType): AsyncIterable<ObjectInfo> {
    return this.#store.list(type);
  }
}

async function fileExists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (cause) {
    if (errnoCode(cause) === 'ENOENT') return false;
    throw cause;
  }
}
