import { readFileSync } from 'node:fs';
import { VarveError } from '../errors/errors.js';
import { gearTable } from './gear.js';
import { type ChunkSizes, validateChunkSizes } from './parameters.js';

/** What wasm/fastcdc.ts exports. Addresses are in bytes from the start of its memory. */
interface FastcdcExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly TABLE: { readonly value: number };
  readonly DATA: { readonly value: number };
  configure(min: number, average: number, max: number): void;
  cut(start: number, end: number, final: boolean): number;
}

/** The part of the global that is used here: its types come with TypeScript's DOM library only. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => CompiledModule;
  Instance: new (module: CompiledModule) => { readonly exports: unknown };
};
type CompiledModule = object;

const WASM_PAGE = 65_536;
const LARGEST_WINDOW = 2 ** 31;

/**
 * Cuts streams into chunks (SPEC.md section 8) inside WebAssembly. The data is read straight into `memory`, a window of
 * the module's own memory, and is not copied. A window of twice `max` and more keeps the moving of rests rare.
 */
export class Chunker {
  /** The compiled module, one for each thread. */
  private static compiled: CompiledModule | undefined;

  /** The window: `capacity` bytes that the caller fills. Stays valid as long as the Chunker does. */
  readonly memory: Buffer;
  readonly sizes: ChunkSizes;
  private readonly fastcdc: FastcdcExports;

  private constructor(fastcdc: FastcdcExports, sizes: ChunkSizes, memory: Buffer) {
    this.fastcdc = fastcdc;
    this.sizes = sizes;
    this.memory = memory;
  }

  /** A chunker with the repository's secret `gear`. capacity is in bytes, at least `sizes.max`. */
  static create(gear: Uint8Array, sizes: ChunkSizes, capacity: number): Chunker {
    validateChunkSizes(sizes);
    if (!Number.isSafeInteger(capacity) || capacity < sizes.max || capacity > LARGEST_WINDOW)
      throw new VarveError(
        'internal',
        `a chunker's window of ${capacity} bytes: want ${sizes.max} to ${LARGEST_WINDOW}`,
      );
    const fastcdc = new WebAssembly.Instance(Chunker.module()).exports as FastcdcExports;
    const data = fastcdc.DATA.value;
    const missing = Math.ceil((data + capacity) / WASM_PAGE) - fastcdc.memory.buffer.byteLength / WASM_PAGE;
    if (missing > 0) fastcdc.memory.grow(missing);
    writeTables(new DataView(fastcdc.memory.buffer, fastcdc.TABLE.value), gearTable(gear));
    fastcdc.configure(sizes.min, sizes.average, sizes.max);
    return new Chunker(fastcdc, sizes, Buffer.from(fastcdc.memory.buffer, data, capacity));
  }

  private static module(): CompiledModule {
    Chunker.compiled ??= new WebAssembly.Module(readFileSync(new URL('../../wasm/fastcdc.wasm', import.meta.url)));
    return Chunker.compiled;
  }

  /**
   * The end, as an offset in `memory`, of the next chunk of the stream whose unread bytes are memory[start…end−1];
   * `final`: no more bytes follow. 0 when there is no chunk yet (not final and fewer than `max` bytes), or when the
   * stream has ended (final and start = end).
   */
  cut(start: number, end: number, final: boolean): number {
    if (!(start >= 0 && start <= end && end <= this.memory.length))
      throw new VarveError('internal', `cut of ${start} to ${end} in a window of ${this.memory.length} bytes`);
    return this.fastcdc.cut(start, end, final) >>> 0;
  }
}

/** G[i] << 1 and, after them, G[i] << 2, modulo 2^64; wasm/fastcdc.ts says why. */
function writeTables(view: DataView, gear: BigUint64Array): void {
  gear.forEach((word, i) => {
    view.setBigUint64(8 * i, BigInt.asUintN(64, word << 1n), true);
    view.setBigUint64(2048 + 8 * i, BigInt.asUintN(64, word << 2n), true);
  });
}
