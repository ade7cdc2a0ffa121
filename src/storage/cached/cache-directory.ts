// A directory of the cache, which is hostile input.
// trust.ts judges it; cached-store.ts decides what to keep.
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { errnoCode } from '../../errors/errors.js';
import { makeDirectories } from '../make-directories.js';
import { tagCache } from './cache-tag.js';
import { problemOf, trustOf } from './trust.js';

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

/** Receives the reason why a part of the cache is not used. */
type OnDistrust = (problem: string) => void;

/**
 * A directory of the cache. The cache is hostile input: varve follows no link, opens only regular files of this user or root, and renames a
 * temporary file into place. No method throws: a failing cache only makes varve slower.
 */
export class CacheDirectory {
  readonly path: string;
  readonly #parent: CacheDirectory | undefined;
  readonly #onDistrust: OnDistrust;
  #trusted: boolean | undefined;
  #tagged = false;

  private constructor(path: string, parent: CacheDirectory | undefined, onDistrust: OnDistrust) {
    this.path = path;
    this.#parent = parent;
    this.#onDistrust = onDistrust;
  }

  /**
   * The cache's own directory, which need not exist.
   *
   * @param onDistrust called at most once, with the first problem
   * @returns undefined when other users could change the cache
   */
  static open(path: string, onDistrust: OnDistrust = () => undefined): CacheDirectory | undefined {
    let reported = false;
    const once = (problem: string): void => {
      if (!reported) onDistrust(problem);
      reported = true;
    };
    const trust = trustOf(path);
    if ('path' in trust) return new CacheDirectory(trust.path, undefined, once);
    once(trust.problem);
    return undefined;
  }

  within(name: string): CacheDirectory {
    return new CacheDirectory(join(this.path, name), this, this.#onDistrust);
  }

  /** The whole file; undefined when it is missing, cannot be trusted or has more than `most` bytes. */
  read(name: string, most: number): Buffer | undefined {
    return this.open(name, most, (file, size) => readAt(file, Buffer.from(new ArrayBuffer(size)), 0));
  }

  /**
   * Calls the action with an open file and its size. @returns the action's result; undefined when the action fails, or where `read` returns
   * undefined
   */
  open<T>(name: string, most: number, action: (file: number, size: number) => T | undefined): T | undefined {
    if (!this.#isTrusted()) return undefined;
    const path = join(this.path, name);
    let file: number | undefined;
    try {
      // Opening a FIFO would wait for its writer.
      file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const stat = fstatSync(file);
      const problem = stat.isFile() ? problemOf(path, stat) : `${path} is not a regular file`;
      if (problem !== undefined) this.#onDistrust(problem);
      return problem === undefined && stat.size <= most ? action(file, stat.size) : undefined;
    } catch (cause) {
      if (errnoCode(cause) === 'ELOOP') this.#onDistrust(`${path} is a symbolic link`);
      return undefined;
    } finally {
      if (file !== undefined) closeQuietly(file);
    }
  }

  has(name: string): boolean {
    try {
      return this.#isTrusted() && lstatSync(join(this.path, name), { throwIfNoEntry: false }) !== undefined;
    } catch {
      return false;
    }
  }

  /** Replaces the file atomically. */
  write(name: string, parts: readonly Uint8Array[]): void {
    const path = join(this.path, name);
    const temporary = `${path}.${randomBytes(4).toString('hex')}`;
    let created = false;
    try {
      if (!this.#make()) return;
      const file = openSync(temporary, 'wx', FILE_MODE);
      created = true;
      try {
        for (const part of parts) writeFileSync(file, part);
      } finally {
        // Some file systems report a failed write only at close.
        closeSync(file);
      }
      renameSync(temporary, path);
    } catch {
      if (created) discard(temporary);
    }
  }

  remove(name: string): void {
    if (this.#isTrusted()) discard(join(this.path, name));
  }

  names(): string[] {
    try {
      return this.#isTrusted() ? readdirSync(this.path) : [];
    } catch {
      return [];
    }
  }

  /** Creates the directory unless it exists. @returns whether it can be used */
  #make(): boolean {
    if (this.#parent !== undefined && !this.#parent.#make()) return false;
    makeDirectories(this.path, DIRECTORY_MODE);
    if (!this.#isTrusted()) return false;
    this.#tag();
    return true;
  }

  /**
   * Tags the directories directly below the cache's own directory. That one gets no tag: `--cache-dir` may name a directory with other
   * files, and backups would exclude them.
   */
  #tag(): void {
    if (this.#tagged || this.#parent === undefined || this.#parent.#parent !== undefined) return;
    this.#tagged = true;
    tagCache(this.path);
  }

  /** `trustOf` has checked the cache's own directory and its parents. A directory that did not exist is checked again. */
  #isTrusted(): boolean {
    if (this.#parent === undefined) return true;
    if (!this.#parent.#isTrusted()) return false;
    this.#trusted ??= this.#look();
    return this.#trusted ?? true;
  }

  #look(): boolean | undefined {
    try {
      const stat = lstatSync(this.path, { throwIfNoEntry: false });
      if (stat === undefined) return undefined;
      const problem = stat.isDirectory() ? problemOf(this.path, stat) : `${this.path} is not a directory`;
      if (problem !== undefined) this.#onDistrust(problem);
      return problem === undefined;
    } catch {
      return false;
    }
  }
}

/** Fills the buffer from this position of the file; undefined when the file is too short. */
export function readAt(file: number, into: Buffer, position: number): Buffer | undefined {
  for (let filled = 0; filled < into.length; ) {
    const count = readSync(file, into, filled, into.length - filled, position + filled);
    if (count === 0) return undefined;
    filled += count;
  }
  return into;
}

function closeQuietly(file: number): void {
  try {
    closeSync(file);
  } catch {
    // The file was only read, so a failed close loses nothing.
  }
}

function discard(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // A leftover file does no harm.
  }
}
