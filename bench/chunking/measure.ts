import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { compress } from '@cloudpss/zstd';
import { Chunker } from '../../src/chunking/chunker.js';
import type { ChunkSizes } from '../../src/chunking/parameters.js';
import type { Workload } from './workload.js';

/** Files are cut at multiples of this first, as SPEC.md section 8 allows. Bytes. */
export const SEGMENT = 256 * 1024 * 1024;
const FRAME = 1024 * 1024;
/** Metadata in bytes: of a unique chunk in index and pack directory (id, length, frame), and of a reference in a tree (id). */
const UNIQUE_OVERHEAD = 68;
const REFERENCE_OVERHEAD = 32;

/** A chunker under test. It owns the window that segments are read into, and returns the ends of the chunks. */
export interface Cutter {
  readonly name: string;
  readonly sizes: ChunkSizes;
  readonly memory: Buffer;
  ends(length: number): number[];
}

/** varve's chunker. */
export function varveCutter(sizes: ChunkSizes): Cutter {
  const chunker = Chunker.create(Buffer.alloc(32, 1), sizes, SEGMENT);
  const ends = (length: number): number[] => {
    const found: number[] = [];
    for (let start = 0; start < length; found.push(start)) start = chunker.cut(start, length, true);
    return found;
  };
  return { name: 'varve', sizes, memory: chunker.memory, ends };
}

/** fastcdc-wasm from npm: it copies its input and has a fixed gear table. */
export function baselineCutter(sizes: ChunkSizes): Cutter {
  const { get_chunks } = createRequire(import.meta.url)('fastcdc-wasm') as typeof import('fastcdc-wasm');
  const memory = Buffer.alloc(SEGMENT);
  const ends = (length: number): number[] => {
    const starts = get_chunks(memory.subarray(0, length), sizes.min, sizes.average, sizes.max);
    return [...starts.filter((start) => start > 0 && start < length), length];
  };
  return { name: 'fastcdc-wasm', sizes, memory, ends };
}

/** The result for one workload. Sizes in bytes. */
export interface Measured {
  readonly total: number;
  readonly unique: number;
  readonly chunks: number;
  readonly uniqueChunks: number;
  /** Unique chunks in zstd level 1 frames. */
  readonly stored: number;
  /** `stored` plus the metadata of all chunks. */
  readonly cost: number;
  /** Seconds of cutting alone. */
  readonly seconds: number;
}

/** Cuts all files of a workload and stores each chunk that it has not met before. */
export function measure(workload: Workload, cutter: Cutter): Measured {
  const seen = new Set<string>();
  const frames = new Frames();
  let [total, unique, chunks, nanoseconds] = [0, 0, 0, 0n];
  for (const length of segments(workload, cutter.memory)) {
    const began = process.hrtime.bigint();
    const ends = cutter.ends(length);
    nanoseconds += process.hrtime.bigint() - began;
    total += length;
    chunks += ends.length;
    let start = 0;
    for (const end of ends) {
      const chunk = cutter.memory.subarray(start, end);
      start = end;
      const id = createHash('sha256').update(chunk).digest('base64');
      if (seen.has(id)) continue;
      seen.add(id);
      unique += chunk.length;
      frames.add(chunk);
    }
  }
  const stored = frames.finish();
  const cost = stored + UNIQUE_OVERHEAD * seen.size + REFERENCE_OVERHEAD * chunks;
  return { total, unique, chunks, uniqueChunks: seen.size, stored, cost, seconds: Number(nanoseconds) / 1e9 };
}

/** Reads the files into the window in pieces and yields the length of each piece. */
function* segments(workload: Workload, memory: Buffer): Generator<number> {
  for (const path of workload.files) {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      for (let at = 0; at < size; at += SEGMENT) {
        const length = Math.min(SEGMENT, size - at);
        if (readSync(file, memory, 0, length, at) !== length) throw new Error(`${path} is being changed`);
        yield length;
      }
    } finally {
      closeSync(file);
    }
  }
}

/** Chunks end to end in frames of 1 MiB, a larger one by itself, compressed. */
class Frames {
  private readonly frame = Buffer.alloc(FRAME);
  private filled = 0;
  private stored = 0;

  add(chunk: Buffer): void {
    if (this.filled + chunk.length > FRAME) this.flush();
    if (chunk.length > FRAME) {
      this.stored += Math.min(compress(chunk, 1).length, chunk.length);
      return;
    }
    chunk.copy(this.frame, this.filled);
    this.filled += chunk.length;
  }

  finish(): number {
    this.flush();
    return this.stored;
  }

  private flush(): void {
    if (this.filled > 0) this.stored += Math.min(compress(this.frame.subarray(0, this.filled), 1).length, this.filled);
    this.filled = 0;
  }
}
