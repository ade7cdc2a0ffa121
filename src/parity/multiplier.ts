import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { product } from './field.js';
import { at, type Matrix } from './matrix.js';

/** What wasm/reed-solomon.ts exports. Addresses are in bytes from the start of its memory. */
interface ReedSolomonExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly TABLES: { readonly value: number };
  multiply(rows: number, columns: number, width: number, inputs: number, outputs: number): void;
}

/** The part of the global that is used here: its types come with TypeScript's DOM library only. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: unknown };
};

const WASM_PAGE = 65_536;
/** Bytes of each shard that are worked on at a time: so much of all shards of a pack fits a processor's cache. */
const STRIP = 1024;
/** Bytes of the products of one coefficient with all halves of a byte. */
const PRODUCTS = 32;

let instance: ReedSolomonExports | undefined;

/**
 * Multiplies a matrix with shards, in WebAssembly.
 *
 * @param inputs one for each column; a shorter one is as if zeros followed
 * @param outputs one for each row, all of one length; they are overwritten and must not overlap the inputs
 */
export function multiplyShards(matrix: Matrix, inputs: readonly Uint8Array[], outputs: readonly Uint8Array[]): void {
  const { rows, columns } = matrix;
  const length = outputs[0]?.length ?? 0;
  if (rows === 0 || length === 0) return;
  const wasm = load();
  const tables = wasm.TABLES.value;
  const inputsAt = tables + rows * columns * PRODUCTS;
  const outputsAt = inputsAt + columns * STRIP;
  grow(wasm, outputsAt + rows * STRIP);
  const memory = Buffer.from(wasm.memory.buffer);
  writeTables(memory.subarray(tables, inputsAt), matrix);
  for (let start = 0; start < length; start += STRIP) {
    const end = Math.min(start + STRIP, length);
    for (const [column, input] of inputs.entries()) putStrip(memory, inputsAt + column * STRIP, input, start, end);
    wasm.multiply(rows, columns, STRIP, inputsAt, outputsAt);
    for (const [row, output] of outputs.entries()) {
      const from = outputsAt + row * STRIP;
      output.set(memory.subarray(from, from + end - start), start);
    }
  }
}

function putStrip(memory: Buffer, to: number, input: Uint8Array, start: number, end: number): void {
  const strip = input.subarray(start, end);
  memory.set(strip, to);
  if (strip.length < STRIP) memory.fill(0, to + strip.length, to + STRIP);
}

function load(): ReedSolomonExports {
  if (instance !== undefined) return instance;
  const module = new WebAssembly.Module(readFileSync(new URL('../../wasm/reed-solomon.wasm', import.meta.url)));
  instance = new WebAssembly.Instance(module).exports as ReedSolomonExports;
  return instance;
}

function grow({ memory }: ReedSolomonExports, bytes: number): void {
  const missing = Math.ceil(bytes / WASM_PAGE) - memory.buffer.byteLength / WASM_PAGE;
  if (missing > 0) memory.grow(missing);
}

/** For each coefficient its products with 0…15, and with 0, 16, …, 240. */
function writeTables(tables: Buffer, matrix: Matrix): void {
  let to = 0;
  for (let row = 0; row < matrix.rows; row++) {
    for (let column = 0; column < matrix.columns; column++) {
      const factor = at(matrix, row, column);
      for (let half = 0; half < 16; half++) {
        tables[to + half] = product(factor, half);
        tables[to + 16 + half] = product(factor, half << 4);
      }
      to += PRODUCTS;
    }
  }
}
