import { errnoCode } from '../errors/errors.js';
import { seekData, seekHole } from '../filesystem/posix.js';

/** Where an open file has data and holes. Queries in ascending order cost one or two system calls for each hole. */
export class DataMap {
  readonly #file: number;
  /** From `#start` to `#data` is a hole, from `#data` to `#end` is data. */
  #start = 0;
  #data = 0;
  #end = 0;

  constructor(file: number) {
    this.#file = file;
  }

  /** The offset of the first data at or after an offset; Infinity when there is none. */
  nextData(offset: number): number {
    if (offset < this.#start || offset >= this.#end) this.#look(offset);
    return Math.max(offset, this.#data);
  }

  /** Whether there is no data between two offsets. */
  isHole(start: number, end: number): boolean {
    return this.nextData(start) >= end;
  }

  /** The ranges of data between two offsets. */
  *dataBetween(start: number, end: number): Generator<{ readonly start: number; readonly end: number }> {
    for (let at = this.nextData(start); at < end; ) {
      const stop = Math.min(this.#end, end);
      yield { start: at, end: stop };
      at = stop < end ? this.nextData(stop) : end;
    }
  }

  #look(offset: number): void {
    this.#start = offset;
    try {
      this.#data = seekData(this.#file, offset) ?? Number.POSITIVE_INFINITY;
      this.#end = Number.isFinite(this.#data) ? seekHole(this.#file, this.#data) : this.#data;
    } catch (cause) {
      if (errnoCode(cause) !== 'EINVAL') throw cause;
      // The file system does not support seeking to holes: everything is data.
      this.#data = offset;
      this.#end = Number.POSITIVE_INFINITY;
    }
  }
}
