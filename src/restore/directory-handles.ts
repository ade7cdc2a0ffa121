// Keeps directories below the target open, and finds them by path without following links.
// What is done in them is target.ts's and restorer.ts's part.
import { Buffer } from 'node:buffer';
import { closeSync, constants, openSync } from 'node:fs';
import { systemReason, VarveError } from '../errors/errors.js';
import { openDirectoryAt } from '../filesystem/posix.js';
import { listXattrs } from '../filesystem/xattrs.js';

const MAX_OPEN = 64;
/** Every 64th level of a path is cached separately, so that opening a directory takes few steps even in a very deep tree. */
const MILESTONE = 64;
const SLASH = 0x2f;

/** Splits a path into its directory and its name. */
export function splitPath(path: Buffer): { directory: Buffer; name: Buffer } {
  const slash = path.lastIndexOf(SLASH);
  return { directory: path.subarray(0, Math.max(0, slash)), name: path.subarray(slash + 1) };
}

/** The path of another name in the same directory. */
export function beside(path: Buffer, name: Buffer): Buffer {
  const { directory } = splitPath(path);
  return directory.length === 0 ? name : Buffer.concat([directory, Buffer.from('/'), name]);
}

interface OpenDirectory {
  readonly path: Buffer;
  readonly handle: number;
  /** Whether it has attributes, which new files in it may inherit; undefined until asked for. */
  hasAttributes: boolean | undefined;
}

function openTarget(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (cause) {
    throw new VarveError('target', `cannot restore to ${path}: ${systemReason(cause)}`, { cause });
  }
}

/**
 * Open directories below a restore's target. Each is opened by its name in its parent, never through a link: nothing outside the target can
 * be reached, even if another process replaces directories by links during the restore.
 */
export class DirectoryHandles {
  readonly #root: OpenDirectory;
  readonly #open = new Map<string, OpenDirectory>();
  readonly #milestones = new Map<string, OpenDirectory>();
  /** The directory of the last call. */
  #last: OpenDirectory;

  /** @throws VarveError `target` when it cannot be opened */
  constructor(target: string) {
    const handle = openTarget(target);
    this.#root = { path: Buffer.alloc(0), handle, hasAttributes: undefined };
    this.#last = this.#root;
  }

  /** The descriptor of a directory below the target; valid until the next call. The empty path is the target. */
  directory(path: Buffer): number {
    return this.#directory(path).handle;
  }

  /** Whether new files in a directory may inherit attributes from it. */
  mayPassOnAttributes(path: Buffer): boolean {
    const directory = this.#directory(path);
    directory.hasAttributes ??= hasAttributes(directory.handle);
    return directory.hasAttributes;
  }

  #directory(path: Buffer): OpenDirectory {
    if (!path.equals(this.#last.path)) this.#last = path.length === 0 ? this.#root : this.#find(path);
    return this.#last;
  }

  #find(path: Buffer): OpenDirectory {
    const open = depthOf(path) % MILESTONE === 0 ? this.#milestones : this.#open;
    const key = path.toString('latin1');
    const known = open.get(key);
    if (known !== undefined) {
      open.delete(key);
      open.set(key, known);
      return known;
    }
    const { directory, name } = splitPath(path);
    const handle = openDirectoryAt(this.directory(directory), name);
    const opened = { path: Buffer.from(path), handle, hasAttributes: undefined };
    open.set(key, opened);
    closeOldest(open);
    return opened;
  }

  close(): void {
    for (const { handle } of [...this.#open.values(), ...this.#milestones.values()]) closeSync(handle);
    this.#open.clear();
    this.#milestones.clear();
    closeSync(this.#root.handle);
  }
}

function closeOldest(open: Map<string, OpenDirectory>): void {
  if (open.size <= MAX_OPEN) return;
  const [oldest] = open;
  if (oldest === undefined) return;
  open.delete(oldest[0]);
  closeSync(oldest[1].handle);
}

function depthOf(path: Buffer): number {
  let depth = 1;
  for (let at = path.indexOf(SLASH); at >= 0; at = path.indexOf(SLASH, at + 1)) depth++;
  return depth;
}

function hasAttributes(directory: number): boolean {
  try {
    return listXattrs(directory).length > 0;
  } catch {
    return true;
  }
}
