import { Buffer } from 'node:buffer';
import { readSync } from 'node:fs';
import { BLOCK } from '../bytes/pages.js';
import { errnoCode, VarveError } from '../errors/errors.js';
import { copyRange } from '../filesystem/posix.js';
import { writeAll } from './growing-file.js';

const COPY_BYTES = 1024 * 1024;
const CANNOT_COPY = ['ENOSYS', 'EXDEV', 'EOPNOTSUPP', 'ENOTSUP', 'EINVAL', 'EPERM'];

/** Copies bytes from one open file to the same offset in another, in the kernel where possible. */
export class RangeCopier {
  #kernelCopies = true;

  /** Copies whole blocks separately, because only those can be shared. */
  copy(from: number, to: number, start: number, end: number): void {
    const first = Math.min(end, Math.ceil(start / BLOCK) * BLOCK);
    const last = Math.max(first, Math.floor(end / BLOCK) * BLOCK);
    for (const [at, stop] of [
      [start, first],
      [first, last],
      [last, end],
    ] as const) {
      if (stop > at) this.#copyBytes(from, to, at, stop - at);
    }
  }

  #copyBytes(from: number, to: number, offset: number, length: number): void {
    if (this.#kernelCopies) {
      try {
        return copyRange(from, to, offset, length);
      } catch (cause) {
        if (!CANNOT_COPY.includes(errnoCode(cause) ?? '')) throw cause;
        this.#kernelCopies = false;
      }
    }
    const buffer = Buffer.allocUnsafe(Math.min(length, COPY_BYTES));
    for (let done = 0; done < length; ) {
      const count = readSync(from, buffer, 0, Math.min(buffer.length, length - done), offset + done);
      if (count === 0) throw new VarveError('target', 'a file became shorter while it was copied');
      writeAll(to, buffer.subarray(0, count), offset + done);
      done += count;
    }
  }
}
