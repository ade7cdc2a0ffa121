import { Buffer } from 'node:buffer';
import { closeSync, constants, writeSync } from 'node:fs';
import { BLOCK } from '../bytes/pages.js';
import { errnoCode } from '../errors/errors.js';
import { openat } from '../filesystem/posix.js';
import type { FileTarget } from './messages.js';

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECT = 0 } = constants as typeof constants & { O_DIRECT?: number };
const PRIVATE = 0o600;
/**
 * Bytes from which on a piece of a file is written past the page cache: copying into it costs more than all else of a restore together,
 * and pushes out what else is cached.
 */
export const DIRECT_BYTES = 256 * 1024;

/** Set when the target's file system does not take direct writes. */
let refused = O_DIRECT === 0;

/** A file that a task writes, under a temporary name at first. */
export class GrowingFile {
  readonly target: FileTarget;
  temporary: Buffer = Buffer.alloc(0);
  /** Blobs of this task that it still waits for. */
  remaining = 0;
  #handle: number | undefined;
  #direct: number | undefined;

  constructor(target: FileTarget) {
    this.target = target;
  }

  get handle(): number | undefined {
    return this.#handle;
  }

  /** Opens it under its temporary name in an open folder; a name of one task alone must be new. */
  open(folder: number, temporary: Buffer): number {
    this.temporary = temporary;
    const exclusive = this.target.temporary === undefined ? O_EXCL : 0;
    this.#handle = openat(folder, temporary, O_WRONLY | O_CREAT | O_NOFOLLOW | exclusive, PRIVATE);
    return this.#handle;
  }

  /**
   * Writes bytes; a large piece past the page cache, but for what does not fill a block at its ends.
   *
   * @param bytes their address must be, like `offset`, at the same place within a block to be written so
   */
  write(folder: number, bytes: Buffer, offset: number): void {
    const head = (BLOCK - (offset % BLOCK)) % BLOCK;
    const middle = Math.floor((bytes.length - head) / BLOCK) * BLOCK;
    if (refused || middle < DIRECT_BYTES) return writeAll(this.#handle as number, bytes, offset);
    writeAll(this.#handle as number, bytes.subarray(0, head), offset);
    this.#writeDirectly(folder, bytes.subarray(head, head + middle), offset + head);
    writeAll(this.#handle as number, bytes.subarray(head + middle), offset + head + middle);
  }

  /** Hands over the open file; the other descriptor is closed. */
  detach(): number {
    const handle = this.#handle as number;
    this.#handle = undefined;
    this.#closeDirect();
    return handle;
  }

  close(): void {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
    this.#closeDirect();
  }

  #writeDirectly(folder: number, bytes: Buffer, offset: number): void {
    try {
      this.#direct ??= openat(folder, this.temporary, O_WRONLY | O_NOFOLLOW | O_DIRECT);
      writeAll(this.#direct, bytes, offset);
    } catch (cause) {
      if (errnoCode(cause) !== 'EINVAL') throw cause;
      refused = true;
      writeAll(this.#handle as number, bytes, offset);
    }
  }

  #closeDirect(): void {
    if (this.#direct !== undefined) closeSync(this.#direct);
    this.#direct = undefined;
  }
}

function writeAll(handle: number, bytes: Buffer, offset: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done, bytes.length - done, offset + done);
}
