import { Buffer } from 'node:buffer';
import { closeSync, constants, openSync } from 'node:fs';
import { openDirectoryAt } from '../filesystem/posix.js';

const MAX_OPEN = 64;
const SLASH = 0x2f;

/** A path below the target as its folder and its name. */
export function splitPath(path: Buffer): { folder: Buffer; name: Buffer } {
  const slash = path.lastIndexOf(SLASH);
  return { folder: path.subarray(0, Math.max(0, slash)), name: path.subarray(slash + 1) };
}

/** The path of another name in the same folder. */
export function beside(path: Buffer, name: Buffer): Buffer {
  const { folder } = splitPath(path);
  return folder.length === 0 ? name : Buffer.concat([folder, Buffer.from('/'), name]);
}

/**
 * Opened folders below a restore's target. Each is opened by its name in its parent and never through a link, so whatever is put in the
 * way meanwhile, nothing outside the target is reached.
 */
export class FolderHandles {
  readonly #root: number;
  readonly #open = new Map<string, number>();

  constructor(target: string) {
    this.#root = openSync(target, constants.O_RDONLY | constants.O_DIRECTORY);
  }

  /** The descriptor of a folder below the target; valid until the next call. The empty path is the target. */
  folder(path: Buffer): number {
    if (path.length === 0) return this.#root;
    const key = path.toString('latin1');
    const known = this.#open.get(key);
    if (known !== undefined) {
      this.#open.delete(key);
      this.#open.set(key, known);
      return known;
    }
    const { folder, name } = splitPath(path);
    const handle = openDirectoryAt(this.folder(folder), name);
    this.#open.set(key, handle);
    this.#closeOldest();
    return handle;
  }

  close(): void {
    for (const handle of this.#open.values()) closeSync(handle);
    this.#open.clear();
    closeSync(this.#root);
  }

  #closeOldest(): void {
    if (this.#open.size <= MAX_OPEN) return;
    const [oldest] = this.#open;
    if (oldest === undefined) return;
    this.#open.delete(oldest[0]);
    closeSync(oldest[1]);
  }
}
