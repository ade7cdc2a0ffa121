import { Buffer } from 'node:buffer';
import { closeSync, constants, openSync } from 'node:fs';
import { openDirectoryAt } from '../filesystem/posix.js';
import { listXattrs } from '../filesystem/xattrs.js';

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

interface OpenFolder {
  readonly path: Buffer;
  readonly handle: number;
  /** Whether it has attributes, which what is made in it may inherit; undefined while nobody has asked. */
  attributed: boolean | undefined;
}

/**
 * Opened folders below a restore's target. Each is opened by its name in its parent and never through a link, so whatever is put in the
 * way meanwhile, nothing outside the target is reached.
 */
export class FolderHandles {
  readonly #root: OpenFolder;
  readonly #open = new Map<string, OpenFolder>();
  /** The one asked for last. */
  #last: OpenFolder;

  constructor(target: string) {
    const handle = openSync(target, constants.O_RDONLY | constants.O_DIRECTORY);
    this.#root = { path: Buffer.alloc(0), handle, attributed: undefined };
    this.#last = this.#root;
  }

  /** The descriptor of a folder below the target; valid until the next call. The empty path is the target. */
  folder(path: Buffer): number {
    return this.#folder(path).handle;
  }

  /** Whether what is made in a folder may have attributes from the start. */
  givesAttributes(path: Buffer): boolean {
    const folder = this.#folder(path);
    folder.attributed ??= hasAttributes(folder.handle);
    return folder.attributed;
  }

  #folder(path: Buffer): OpenFolder {
    if (!path.equals(this.#last.path)) this.#last = path.length === 0 ? this.#root : this.#find(path);
    return this.#last;
  }

  #find(path: Buffer): OpenFolder {
    const key = path.toString('latin1');
    const known = this.#open.get(key);
    if (known !== undefined) {
      this.#open.delete(key);
      this.#open.set(key, known);
      return known;
    }
    const { folder, name } = splitPath(path);
    const handle = openDirectoryAt(this.folder(folder), name);
    const opened = { path: Buffer.from(path), handle, attributed: undefined };
    this.#open.set(key, opened);
    this.#closeOldest();
    return opened;
  }

  close(): void {
    for (const { handle } of this.#open.values()) closeSync(handle);
    this.#open.clear();
    closeSync(this.#root.handle);
  }

  #closeOldest(): void {
    if (this.#open.size <= MAX_OPEN) return;
    const [oldest] = this.#open;
    if (oldest === undefined) return;
    this.#open.delete(oldest[0]);
    closeSync(oldest[1].handle);
  }
}

function hasAttributes(folder: number): boolean {
  try {
    return listXattrs(folder).length > 0;
  } catch {
    return true;
  }
}
