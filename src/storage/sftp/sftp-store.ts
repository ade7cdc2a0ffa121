import type { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import {
  DIRECTORIES,
  DIRECTORY_MODE,
  LISTED_WITH_ROOT,
  objectFile,
  SHARDS,
  TEMPORARY,
  TEMPORARY_AGE_SECONDS,
} from '../layout.js';
import {
  type Advice,
  HASH_NAME,
  type ObjectInfo,
  type ObjectType,
  objectPath,
  type Range,
  type Store,
} from '../store.js';
import { ServerClock } from '../transport/server-clock.js';
import { Abandoned } from './abandoned.js';
import type { SftpClient } from './client.js';
import { timeOfNewFile } from './clock.js';
import type { Connections } from './connections.js';
import { makeDirectories, makeDirectory } from './directories.js';
import { download } from './download.js';
import { ahead, namesIn } from './listing.js';
import { type Attributes, isRegular, type NamedFile, STATUS } from './protocol.js';
import { explainRefusal } from './refusals.js';
import { hasStatus, StatusError } from './status.js';
import { directoryOf, type GiveName, SyncedDirectory, upload } from './upload.js';

/** Directories of data/ to list at a time. Servers allow some hundred open handles. */
const LISTED_AT_A_TIME = 64;
/**
 * A repository in a directory of an SFTP server, with restic's layout. An object is written under a temporary name, synced where the server
 * can, and renamed. When the connection has ended, the next request opens a new one.
 */
export class SftpStore implements Store {
  readonly location: string;
  readonly connections: number;
  readonly #root: string;
  readonly #connections: Connections;
  readonly #clock = new ServerClock();
  readonly #abandoned = new Abandoned();

  /**
   * @param root the repository's directory, without a slash at the end except for the root
   * @param requests the useful number of concurrent requests
   */
  constructor(location: string, root: string, connections: Connections, requests: number) {
    this.location = location;
    this.connections = requests;
    this.#root = root;
    this.#connections = connections;
  }

  create(): Promise<void> {
    return this.#attempt('cannot create the repository directory', async (client) => {
      await makeDirectories(client, this.#root, DIRECTORY_MODE);
      for (const directories of [DIRECTORIES, SHARDS.map((shard) => `data/${shard}`)])
        await Promise.all(
          directories.map((directory) => makeDirectory(client, this.#below(directory), DIRECTORY_MODE)),
        );
      await Promise.all([this.#root, this.#below('data')].map((directory) => syncDirectory(client, directory)));
    });
  }

  discard(): Promise<void> {
    return this.#attempt('cannot remove the repository directory', async (client) => {
      await Promise.all(SHARDS.map((shard) => client.rmdir(this.#below(`data/${shard}`))));
      await Promise.all(DIRECTORIES.map((directory) => client.rmdir(this.#below(directory))));
      await client.rmdir(this.#root);
    });
  }

  put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#write(type, name, parts, (client, path, length) =>
      type === 'config' ? renameNew(client, path, this.location) : renameHashed(client, path, length),
    );
  }

  replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#write(type, name, parts, renameOver);
  }

  get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer> {
    const object = objectPath(type, name);
    return this.#attempt(`cannot read ${object}`, (client) =>
      download(client, this.#path(type, name), object, range, advice?.into).catch((cause) => {
        if (!hasStatus(cause, STATUS.noSuchFile)) throw cause;
        throw new VarveError('not-found', `${object}: missing from ${this.location}`, { cause });
      }),
    );
  }

  stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    return this.#attempt(`cannot read ${objectPath(type, name)}`, (client) => this.#info(client, type, name));
  }

  async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    const cleared = type === LISTED_WITH_ROOT ? this.#clearRoot() : undefined;
    const directories = type === 'data' ? SHARDS.map((shard) => this.#below(`data/${shard}`)) : [this.#below(type)];
    const listed = ahead(directories, LISTED_AT_A_TIME, (directory) =>
      this.#attempt(`cannot list ${directory}`, (client) => this.#objectsIn(client, type, directory)),
    );
    for await (const objects of listed) yield* objects;
    await cleared;
  }

  remove(type: ObjectType, name: string): Promise<void> {
    return this.#attempt(`cannot remove ${objectPath(type, name)}`, async (client) => {
      const path = this.#path(type, name);
      const directory = new SyncedDirectory(client, directoryOf(path));
      try {
        await Promise.all([
          client.remove(path).catch((cause) => {
            if (!hasStatus(cause, STATUS.noSuchFile)) throw cause;
          }),
          directory.sync(),
        ]);
      } finally {
        directory.close();
      }
    });
  }

  /** Uses this machine's clock where it can make no file: a read-only client protects nothing by the time. */
  async now(): Promise<number> {
    const known = this.#clock.seconds;
    if (known !== undefined) return known;
    const seconds = await this.#attempt('cannot read the clock', (client) =>
      timeOfNewFile(client, this.#below('locks')),
    );
    if (seconds === undefined) return Date.now() / 1000;
    this.#clock.noteSeconds(seconds);
    return seconds;
  }

  async close(): Promise<void> {
    this.#connections.close();
  }

  async #write(
    type: ObjectType,
    name: string,
    parts: readonly Uint8Array[],
    renameFor: (client: SftpClient, path: string, length: number) => GiveName,
  ): Promise<void> {
    const path = this.#path(type, name);
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    await this.#attempt(
      `cannot write ${objectPath(type, name)}`,
      async (client, refused) => {
        const uploading = { giveName: renameFor(client, path, length), refused, abandoned: this.#abandoned };
        await upload(client, path, parts, uploading).catch(async (cause) => {
          if (!hasStatus(cause, STATUS.noSuchFile) || type === 'config') throw cause;
          await this.#makeMissing(client, type, path);
          await upload(client, path, parts, uploading);
        });
      },
      length,
    );
  }

  /** Makes directories that a copy of the repository lacks because they were empty. A missing repository is an error. */
  async #makeMissing(client: SftpClient, type: ObjectType, path: string): Promise<void> {
    const directory = this.#below(type);
    for (const each of type === 'data' ? [directory, directoryOf(path)] : [directory]) {
      await makeDirectory(client, each, DIRECTORY_MODE);
      await syncDirectory(client, directoryOf(each));
    }
  }

  /** Failures are left to clients with more rights. */
  async #clearRoot(): Promise<void> {
    await this.#attempt('cannot list the repository directory', async (client) =>
      this.#removeStale(client, this.#root, await namesIn(client, this.#root)),
    ).catch(() => undefined);
  }

  async #objectsIn(client: SftpClient, type: ObjectType, directory: string): Promise<ObjectInfo[]> {
    const files = await namesIn(client, directory);
    await this.#removeStale(client, directory, files);
    const infos = files
      .filter(({ name }) => HASH_NAME.test(name))
      .map(({ name, attributes }) =>
        isRegular(attributes) === true ? infoOf(name, attributes) : this.#info(client, type, name),
      );
    return (await Promise.all(infos)).filter((info) => info !== undefined);
  }

  async #info(client: SftpClient, type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    try {
      return infoOf(name, await client.stat(this.#path(type, name)));
    } catch (cause) {
      if (hasStatus(cause, STATUS.noSuchFile)) return undefined;
      throw cause;
    }
  }

  /** Files that cannot be removed are left to other clients. */
  async #removeStale(client: SftpClient, directory: string, files: readonly NamedFile[]): Promise<void> {
    const temporary = files.filter(({ name }) => name.startsWith(TEMPORARY));
    if (temporary.length === 0) return;
    const before = (await this.now()) - TEMPORARY_AGE_SECONDS;
    const old = temporary.filter(({ attributes }) => (attributes.modified ?? before) < before);
    await Promise.all(old.map(({ name }) => client.remove(`${directory}/${name}`).catch(() => undefined)));
  }

  #below(path: string): string {
    return this.#root === '/' ? `/${path}` : `${this.#root}/${path}`;
  }

  #path(type: ObjectType, name: string): string {
    return this.#below(objectFile(type, name));
  }

  /** @param length the number of bytes to write */
  async #attempt<T>(
    doing: string,
    action: (client: SftpClient, refused: (cause: unknown) => Promise<unknown>) => Promise<T>,
    length = 0,
  ): Promise<T> {
    const connected = this.#connections.use(async (client) => {
      const refused = async (cause: unknown): Promise<unknown> =>
        cause instanceof StatusError
          ? explainRefusal(cause, { client, doing, directory: this.#root, location: this.location, length })
          : cause;
      try {
        return await action(client, refused);
      } catch (cause) {
        throw await refused(cause);
      }
    });
    return connected.catch((cause) => {
      throw prefixed(doing, cause);
    });
  }
}

function infoOf(name: string, attributes: Attributes): ObjectInfo | undefined {
  const { size, modified } = attributes;
  if (isRegular(attributes) === false) return undefined;
  if (size === undefined) throw new VarveError('storage', `${name}: the server does not report its size`);
  return { name, size, ...(modified !== undefined && { modified }) };
}

/** Adds the action that the end of a connection prevented. Errors about objects name them already. */
function prefixed(doing: string, cause: unknown): unknown {
  if (!(cause instanceof VarveError) || cause.code !== 'storage' || cause.message.startsWith(doing)) return cause;
  return new VarveError(cause.code, `${doing}: ${cause.message}`, { cause, retryable: cause.retryable });
}

async function syncDirectory(client: SftpClient, path: string): Promise<void> {
  const directory = new SyncedDirectory(client, path);
  await directory.sync();
  directory.close();
}

/** For a hash-named object: an existing one of the same length is as good. */
function renameHashed(client: SftpClient, path: string, length: number): GiveName {
  return async (temporary, sync) => {
    try {
      await Promise.all([client.rename(temporary, path), sync()]);
    } catch (cause) {
      const found = await client.stat(path).catch(() => undefined);
      if (found === undefined) throw cause;
      if (found.size === length) await client.remove(temporary);
      else await renameOver(client, path)(temporary, sync);
    }
  };
}

/** For the name that only one client may create. */
function renameNew(client: SftpClient, path: string, location: string): GiveName {
  return async (temporary, sync) => {
    try {
      if (client.offers('hardlink')) {
        await Promise.all([client.hardlink(temporary, path), sync()]);
        await client.remove(temporary);
        return;
      }
    } catch (cause) {
      await refuseTaken(client, path, location);
      // The file system has no hard links.
      if (!(cause instanceof StatusError)) throw cause;
    }
    await refuseTaken(client, path, location);
    try {
      await Promise.all([client.rename(temporary, path), sync()]);
    } catch (cause) {
      await refuseTaken(client, path, location);
      throw cause;
    }
  };
}

async function refuseTaken(client: SftpClient, path: string, location: string): Promise<void> {
  const taken = await client.stat(path).catch((cause) => {
    if (hasStatus(cause, STATUS.noSuchFile)) return undefined;
    throw cause;
  });
  if (taken !== undefined) throw new VarveError('exists', `${path} already exists in ${location}`);
}

/** Replaces the existing file, atomically where the server can. */
function renameOver(client: SftpClient, path: string): GiveName {
  return async (temporary, sync) => {
    if (client.offers('posixRename')) {
      await Promise.all([client.posixRename(temporary, path), sync()]);
      return;
    }
    await client.remove(path).catch(() => undefined);
    await Promise.all([client.rename(temporary, path), sync()]);
  };
}
