import { constants } from 'node:fs';
import { type FileHandle, lstat, open, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoCode } from '../errors/errors.js';
import { DIRECTORIES, SHARDS } from '../storage/layout.js';
import { NewFile, syncDirectory } from '../storage/local/durable.js';
import { LocalStore } from '../storage/local/local-store.js';
import type { ObjectInfo, ObjectType } from '../storage/store.js';
import { exists, notFound } from './refusal.js';
import type { HashedType } from './target.js';

/** A link is followed nowhere here, and a pipe is not waited for. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The files of one repository, which lie as those of a local one do. Types and names are as the grammar says, which `parseTarget` has seen to. */
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

  /** How many directories `create` would make. */
  async missing(): Promise<number> {
    const above = this.#names.map((_, at) => join(this.#root, ...this.#names.slice(0, at + 1)));
    const types = DIRECTORIES.map((type) => join(this.#store.location, type));
    const shards = SHARDS.map((shard) => join(this.#store.location, 'data', shard));
    const there = await Promise.all([...above, ...types, ...shards].map(isThere));
    return there.filter((each) => !each).length;
  }

  /** Makes the directories of a repository, unless they are there. */
  async create(): Promise<void> {
    // Not where the disk is that is not mounted.
    await stat(this.#root);
    await this.#store.create();
  }

  /** Bytes. @throws Refusal 404 */
  async size(type: ObjectType, name: string): Promise<number> {
    const info = await lstat(this.#store.filePath(type, name));
    if (!info.isFile()) throw notFound();
    return info.size;
  }

  /** The caller closes it. */
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

  /** @throws Refusal 403 when there is one; 404 when there is no repository */
  async begin(type: ObjectType, name: string): Promise<NewFile> {
    const path = this.#store.filePath(type, name);
    if (await isThere(path)) throw exists();
    try {
      return await NewFile.begin(path, this.#store.ownership);
    } catch (cause) {
      if (errnoCode(cause) !== 'ENOENT' || type === 'config') throw cause;
      await this.#store.makeDirectoriesOf(type, name);
      return await NewFile.begin(path, this.#store.ownership);
    }
  }

  /** How many bytes are no more; undefined when it was not there. */
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

  /** @throws Refusal 404 when there is no such directory */
  async requireDirectory(type: HashedType): Promise<void> {
    await stat(join(this.#store.location, type));
  }

  list(type: HashedType): AsyncIterable<ObjectInfo> {
    return this.#store.list(type);
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (cause) {
    if (errnoCode(cause) === 'ENOENT') return false;
    throw cause;
  }
}
