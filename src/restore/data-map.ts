import { errnoCode } from '../errors/errors.js';
import { seekData, seekHole } from '../filesystem/posix.js';

/** Where an open file has data and where holes; asked in order of place, it costs a call or two for each hole. */
export class DataMap {
  readonly #file: number;
  /** From here to `#data` is a hole, and from there to `#end` are data. */
  #start = 0;
  #data = 0;
  #end = 0;

  constructor(file: number) {
    this.#file = file;
  }

  /** Where the first data at or after a place are; Infinity when there are none. */
  nextData(offset: number): number {
    if (offset < this.#start || offset >= this.#end) this.#look(offset);
    return Math.max(offset, this.#data);
  }

  /** Whether there are no data between two places. */
  isHole(start: number, end: number): boolean {
    return this.nextData(start) >= end;
  }

  /** The stretches of data between two places. */
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
      // A file system that does not know holes.
      this.#data = offset;
      this.#end = Number.POSITIVE_INFINITY;
    }
  }
}
