import { product } from '../../src/parity/field.js';
import { at, type Matrix } from '../../src/parity/matrix.js';

/** What `multiplyShards` does, in plain TypeScript. Slow: tests compare the WebAssembly module with it. */
export function multiplyShardsReference(
  matrix: Matrix,
  inputs: readonly Uint8Array[],
  outputs: readonly Uint8Array[],
): void {
  for (const [row, output] of outputs.entries()) {
    for (let position = 0; position < output.length; position++) {
      let sum = 0;
      for (const [column, input] of inputs.entries()) sum ^= product(at(matrix, row, column), input[position] ?? 0);
      output[position] = sum;
    }
  }
}
