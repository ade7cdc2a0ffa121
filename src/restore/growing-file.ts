// Writes files under temporary names, by one task or by several.
// When a file is complete, restorer.ts sets its metadata and its name.
import { Buffer } from 'node:buffer';
import { closeSync, constants, ftruncateSync, writeSync } from 'node:fs';
import { BLOCK } from '../bytes/pages.js';
import { errnoCode, VarveError } from '../errors/errors.js';
import { openat } from '../filesystem/posix.js';
import { fstat } from '../filesystem/stat.js';
import { DataMap } from './data-map.js';
import type { FileSystems } from './file-system.js';
import type { FileTarget } from './messages.js';
import { isOurPart } from './temporary-names.js';

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;
const NEW = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
const PRIVATE = 0o600;
const ZEROS = Buffer.alloc(BLOCK);

/** A file that a task writes, under a temporary name. */
export class GrowingFile {
  readonly target: FileTarget;
  temporary: Buffer = Buffer.alloc(0);
  /** Blobs of this task that are not written yet. */
  remaining = 0;
  #handle: number | undefined;
  readonly #sparse: boolean;
  readonly #fileSystems: FileSystems;
  /** The largest offset written so far. */
  #end = 0;

  /** @param sparse whether blocks of zeros become holes */
  constructor(target: FileTarget, sparse: boolean, fileSystems: FileSystems) {
    this.target = target;
    this.#sparse = sparse;
    this.#fileSystems = fileSystems;
  }

  get handle(): number | undefined {
    return this.#handle;
  }

  /** Opens it under its temporary name in an open directory. The name must be new, unless several tasks write the file. */
  open(directory: number, temporary: Buffer): void {
    this.temporary = temporary;
    this.#handle =
      this.target.temporary === undefined
        ? openat(directory, temporary, NEW, PRIVATE)
        : (createPart(directory, temporary) ?? openPart(directory, temporary, this.#fileSystems));
  }

  write(bytes: Buffer, offset: number): void {
    if (!this.#sparse) return this.#put(bytes, offset);
    for (const { start, end } of this.#withoutZeros(bytes, offset))
      this.#put(bytes.subarray(start, end), offset + start);
  }

  /** Sets the size of a file that ends with a hole. */
  setSize(size: number): void {
    if (this.#end !== size) ftruncateSync(this.#handle as number, size);
  }

  /** Returns the descriptor, which the caller then owns. */
  detach(): number {
    const handle = this.#handle as number;
    this.#handle = undefined;
    return handle;
  }

  close(): void {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
  }

  #put(bytes: Buffer, offset: number): void {
    this.#end = Math.max(this.#end, offset + bytes.length);
    writeAll(this.#handle as number, bytes, offset);
  }

  /** The ranges to write, without whole blocks of zeros. In a file that an earlier run began, zeros are written where it has no hole. */
  *#withoutZeros(bytes: Buffer, offset: number): Generator<{ readonly start: number; readonly end: number }> {
    const map = this.target.temporary === undefined ? undefined : new DataMap(this.#handle as number);
    let start = 0;
    for (let at = (BLOCK - (offset % BLOCK)) % BLOCK; at + BLOCK <= bytes.length; at += BLOCK) {
      if (bytes.compare(ZEROS, 0, BLOCK, at, at + BLOCK) !== 0) continue;
      if (map?.isHole(offset + at, offset + at + BLOCK) === false) continue;
      if (at > start) yield { start, end: at };
      start = at + BLOCK;
    }
    if (start < bytes.length) yield { start, end: bytes.length };
  }
}

/** @returns undefined when another task of this run has made it */
function createPart(directory: number, name: Buffer): number | undefined {
  try {
    return openat(directory, name, NEW, PRIVATE);
  } catch (cause) {
    if (errnoCode(cause) !== 'EEXIST') throw cause;
    return undefined;
  }
}

/** Opens a temporary file of this run. @throws VarveError `target` when another file has its name */
export function openPart(directory: number, name: Buffer, fileSystems: FileSystems): number {
  const handle = openat(directory, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
  const stat = fstat(handle);
  if (isOurPart(stat) || fileSystems.isLikeNew(directory, stat)) return handle;
  closeSync(handle);
  throw new VarveError('target', `its temporary file ${name} was replaced by another file`);
}

export function writeAll(handle: number, bytes: Buffer, offset: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done, bytes.length - done, offset + done);
}
