// Quotas of the whole server and of users.
// Finding the user is left to logins.ts, writing files to actions.ts.

import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoCode, systemReason, VarveError } from '../errors/errors.js';
import { TEMPORARY } from '../storage/layout.js';
import { HttpError } from './http-error.js';
import { isDirectoryName, MAX_REPOSITORY_DEPTH } from './target.js';

export interface QuotaLimits {
  /** Bytes of everything that is stored. */
  readonly all?: number | undefined;
  /** Bytes below the directory of each user without a limit of their own. */
  readonly eachUser?: number | undefined;
  /** Bytes below the user's directory, by user. */
  readonly byUser: ReadonlyMap<string, number>;
}

/** The size of a block in most file systems, in bytes. */
const BLOCK = 4096;

/** Bytes that a file of this length occupies on the disk. */
export const bytesOnDisk = (length: number): number => Math.ceil(length / BLOCK) * BLOCK;

/** Bytes that this many directories occupy on the disk. */
export const bytesOfDirectories = (count: number): number => count * BLOCK;

/** Bytes by which locks may exceed a limit: without a lock restic cannot even restore. */
const FOR_LOCKS = 1024 * 1024;
/** Levels of directories: those of a repository's path, `data`, and one more. */
const MAX_DEPTH = MAX_REPOSITORY_DEPTH + 2;

/** Counts the blocks in use and enforces the limits. Changes by other programs are counted at the next start. */
export class Quota {
  readonly #limits: QuotaLimits;
  readonly #used = new Map<string, number>();
  #all = 0;

  private constructor(limits: QuotaLimits) {
    this.#limits = limits;
  }

  /** Counts what is stored below a directory, if there is any limit. */
  static async of(directory: string, limits: QuotaLimits): Promise<Quota> {
    const quota = new Quota(limits);
    if (limits.all === undefined && limits.eachUser === undefined && limits.byUser.size === 0) return quota;
    for (const entry of await entriesOf(directory)) {
      const owner = isDirectoryName(entry.name) ? entry.name : '';
      quota.add(owner, await sizeBelow(join(directory, entry.name), entry, MAX_DEPTH));
    }
    return quota;
  }

  get used(): number {
    return this.#all;
  }

  /** What each user with a limit has stored. The user is the first name of the repository's path. */
  *usedByUser(): Iterable<{ readonly user: string; readonly used: number; readonly limit: number }> {
    for (const [user, used] of this.#used) {
      const limit = this.#limitOf(user);
      if (limit !== undefined) yield { user, used, limit };
    }
  }

  get limit(): number | undefined {
    return this.#limits.all;
  }

  /**
   * Counts bytes before they are stored. If they are not stored after all, the caller subtracts them with `add`.
   *
   * @param owner first name of the repository's path
   * @throws HttpError 507 when they exceed a limit
   */
  charge(owner: string, bytes: number, isLock: boolean): void {
    this.requireSpace(owner, bytes, isLock);
    this.add(owner, bytes);
  }

  /** Checks the limits and counts nothing: a client may announce bytes that it never sends. @throws HttpError 507 */
  requireSpace(owner: string, bytes: number, isLock: boolean): void {
    const beyond = isLock ? FOR_LOCKS : 0;
    const own = (this.#used.get(owner) ?? 0) + bytes;
    if (own > (this.#limitOf(owner) ?? Number.POSITIVE_INFINITY) + beyond)
      throw new HttpError(507, `the quota of ${JSON.stringify(owner)} is exceeded`);
    if (this.#all + bytes > (this.#limits.all ?? Number.POSITIVE_INFINITY) + beyond)
      throw new HttpError(507, 'the quota of the server is exceeded');
  }

  /** Adds bytes, or subtracts them when they are negative. */
  add(owner: string, bytes: number): void {
    this.#used.set(owner, Math.max(0, (this.#used.get(owner) ?? 0) + bytes));
    this.#all = Math.max(0, this.#all + bytes);
  }

  #limitOf(user: string): number | undefined {
    return this.#limits.byUser.get(user) ?? this.#limits.eachUser;
  }
}

async function sizeBelow(path: string, entry: Dirent, depth: number): Promise<number> {
  if (entry.isFile()) return entry.name.startsWith(TEMPORARY) ? 0 : bytesOnDisk(await sizeOf(path));
  if (depth === 0) return 0;
  let sum = entry.isDirectory() ? bytesOfDirectories(1) : 0;
  // A link to a directory counts as that directory: an administrator moved it to another disk.
  for (const each of await entriesOf(path)) sum += await sizeBelow(join(path, each.name), each, depth - 1);
  return sum;
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await lstat(file)).size;
  } catch (cause) {
    if (errnoCode(cause) === 'ENOENT') return 0;
    throw uncounted(file, cause);
  }
}

async function entriesOf(directory: string): Promise<Dirent[]> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (cause) {
    const code = errnoCode(cause);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return [];
    throw uncounted(directory, cause);
  }
}

const uncounted = (path: string, cause: unknown): VarveError =>
  new VarveError('storage', `cannot determine what is stored, for the quota: ${path}: ${systemReason(cause)}`, {
    cause,
  });
