import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoCode, systemReason, VarveError } from '../errors/errors.js';
import { TEMPORARY } from '../storage/layout.js';
import { Refusal } from './refusal.js';
import { DEEPEST_REPOSITORY, isDirectoryName } from './target.js';

export interface QuotaLimits {
  /** Bytes of all that is stored. */
  readonly all?: number | undefined;
  /** Bytes of what is below the directory of a user who has no limit of their own. */
  readonly eachUser?: number | undefined;
  /** Bytes of what is below a user's directory. */
  readonly byUser: ReadonlyMap<string, number>;
}

/** Bytes: what a file system gives to files and directories at a time. */
const BLOCK = 4096;

/** Bytes that a file takes on the disk. */
export const bytesOnDisk = (length: number): number => Math.ceil(length / BLOCK) * BLOCK;

/** Bytes that directories take on the disk. */
export const bytesOfDirectories = (count: number): number => count * BLOCK;

/** Bytes that locks may need beyond a limit: without a lock restic does not even restore. */
const FOR_LOCKS = 1024 * 1024;
/** Directories in each other: those of a repository's path, `data`, and one more. */
const DEEPEST = DEEPEST_REPOSITORY + 2;

/** Counts the blocks of what is stored, and keeps them within limits. What others do in the directory meanwhile is counted at the next start. */
export class Quota {
  readonly #limits: QuotaLimits;
  readonly #used = new Map<string, number>();
  #all = 0;

  private constructor(limits: QuotaLimits) {
    this.#limits = limits;
  }

  /** Counts what there is below a directory, when anything is limited. */
  static async of(directory: string, limits: QuotaLimits): Promise<Quota> {
    const quota = new Quota(limits);
    if (limits.all === undefined && limits.eachUser === undefined && limits.byUser.size === 0) return quota;
    for (const entry of await entriesOf(directory)) {
      const owner = isDirectoryName(entry.name) ? entry.name : '';
      quota.add(owner, await sizeBelow(join(directory, entry.name), entry, DEEPEST));
    }
    return quota;
  }

  get used(): number {
    return this.#all;
  }

  /** Bytes by the first name of the repository's path, of those that have a limit. */
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
   * Counts bytes that are about to be stored. A caller that does not store them takes them away again.
   *
   * @param owner first name of the repository's path
   * @throws Refusal 507 when they are too many
   */
  take(owner: string, bytes: number, isLock: boolean): void {
    this.require(owner, bytes, isLock);
    this.add(owner, bytes);
  }

  /** Counts nothing yet: a client may announce what it never sends. @throws Refusal 507 when so many bytes would be too many */
  require(owner: string, bytes: number, isLock: boolean): void {
    const beyond = isLock ? FOR_LOCKS : 0;
    const own = (this.#used.get(owner) ?? 0) + bytes;
    if (own > (this.#limitOf(owner) ?? Number.POSITIVE_INFINITY) + beyond)
      throw new Refusal(507, `the quota of ${JSON.stringify(owner)} is used up`);
    if (this.#all + bytes > (this.#limits.all ?? Number.POSITIVE_INFINITY) + beyond)
      throw new Refusal(507, 'the quota of the server is used up');
  }

  /** Counts bytes, or takes them away when there are less than 0. */
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
  // A link to a directory counts as that directory: an administrator has put it on another disk.
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
  new VarveError('storage', `cannot count for the quota what is stored: ${path}: ${systemReason(cause)}`, { cause });
