// Runs of data and holes of a sparse file (SPEC.md section 11).
// restore/ writes them; filesystem/ finds them.
import { Buffer } from 'node:buffer';
import { lastAtMost } from '../bytes/ascending.js';
import { ENDS_EARLY, MessagePackReader } from '../bytes/reader.js';
import { MessagePackWriter } from '../bytes/writer.js';
import { MAX_ATTACHMENT } from './attachment.js';

/** Runs of data and holes that a file may have at most. */
export const MAX_RUNS = 1_000_000;

/** A part of a file's stream, and where it lies in the file; bytes. */
export interface Piece {
  readonly stream: number;
  readonly file: number;
  readonly length: number;
}

/**
 * Where the bytes of a sparse file's stream lie in the file: runs of data and holes take turns (SPEC.md section 11).
 */
export class Layout {
  /** Bytes of the file, and of its stream. */
  readonly size: number;
  readonly stored: number;
  /** Lengths of runs, the first of data, perhaps 0. */
  readonly #runs: readonly number[];
  /** Of each run of data: where it begins in the stream and in the file. */
  readonly #streams: number[] = [];
  readonly #files: number[] = [];

  /** @param runs lengths in bytes of data, hole, data, …: the first may be 0, the others are not */
  constructor(runs: readonly number[]) {
    this.#runs = runs;
    let file = 0;
    let stream = 0;
    for (const [number, length] of runs.entries()) {
      if (number % 2 === 0) {
        this.#streams.push(stream);
        this.#files.push(file);
        stream += length;
      }
      file += length;
    }
    this.size = file;
    this.stored = stream;
  }

  encode(): Buffer {
    const out = new MessagePackWriter();
    out.array(this.#runs.length);
    for (const length of this.#runs) out.int(length);
    return Buffer.from(out.view());
  }

  /**
   * @param size of the file, bytes
   * @param stored length of its stream, bytes
   * @throws VarveError `damaged`, also when the runs do not add up to these
   */
  static decode(bytes: Buffer, size: number, stored: number, what: string): Layout {
    const reader = new MessagePackReader(bytes, what);
    if (bytes.length > MAX_ATTACHMENT) throw reader.damaged('the list of holes is too long');
    try {
      const layout = new Layout(readRuns(reader));
      if (layout.size === size && layout.stored === stored) return layout;
      throw reader.damaged('the holes do not fit the length of the file');
    } catch (cause) {
      throw cause === ENDS_EARLY ? reader.damaged('the list of holes is cut off') : cause;
    }
  }

  /** The file that ends with this byte of the stream, when it turned out to be shorter; undefined when it ends before its first hole. */
  truncated(stored: number): Layout | undefined {
    const runs: number[] = [];
    let left = stored;
    for (const [number, length] of this.#runs.entries()) {
      if (number % 2 === 1) runs.push(length);
      else {
        runs.push(Math.min(length, left));
        left -= length;
        if (left <= 0) break;
      }
    }
    return runs.length > 1 ? new Layout(runs) : undefined;
  }

  /** Where `length` bytes of the stream from `start` on lie in the file, in order. */
  *pieces(start: number, length: number): Generator<Piece> {
    const end = start + length;
    for (let run = this.#runAt(start), stream = start; stream < end && run < this.#streams.length; run++) {
      const begin = this.#streams[run] as number;
      const stop = Math.min(end, begin + (this.#runs[run * 2] as number));
      if (stop > stream) yield { stream, file: (this.#files[run] as number) + stream - begin, length: stop - stream };
      stream = Math.max(stream, stop);
    }
  }

  /** The parts of `length` bytes of the file from `start` on that are in the stream, in order; the rest is holes. */
  *within(start: number, length: number): Generator<Piece> {
    const end = start + length;
    for (let run = lastAtMost(this.#files, start); run < this.#files.length; run++) {
      const begin = this.#files[run] as number;
      if (begin >= end) return;
      const from = Math.max(start, begin);
      const stop = Math.min(end, begin + (this.#runs[run * 2] as number));
      if (stop > from) yield { stream: (this.#streams[run] as number) + from - begin, file: from, length: stop - from };
    }
  }

  /** Where data begins at or after an offset of the file; undefined when only a hole follows. */
  dataFrom(offset: number): number | undefined {
    for (let run = lastAtMost(this.#files, offset); run < this.#files.length; run++) {
      const begin = this.#files[run] as number;
      const end = begin + (this.#runs[run * 2] as number);
      if (end > offset) return Math.max(begin, offset);
    }
    return undefined;
  }

  /** Where a hole begins at or after an offset of the file; the end of the file if there is none. */
  holeFrom(offset: number): number {
    const run = lastAtMost(this.#files, offset);
    const end = (this.#files[run] ?? 0) + (this.#runs[run * 2] ?? 0);
    return Math.max(offset, end);
  }

  /** The last run of data that begins at or before this offset of the stream. */
  #runAt(stream: number): number {
    return lastAtMost(this.#streams, stream);
  }
}

function readRuns(reader: MessagePackReader): number[] {
  const count = reader.array();
  if (count > MAX_RUNS) throw reader.damaged('the file has too many holes');
  const runs: number[] = [];
  let size = 0;
  for (let number = 0; number < count; number++) {
    const length = reader.uint();
    if (length === 0 && number > 0) throw reader.damaged('a run of no bytes');
    size += length;
    runs.push(length);
  }
  if (!Number.isSafeInteger(size)) throw reader.damaged('the file is too large');
  if (reader.remaining > 0) throw reader.damaged('something follows the list of holes');
  return runs;
}
