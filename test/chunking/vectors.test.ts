import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { ChunkSizes } from '../../src/chunking/parameters.js';
import { referenceEnds, wasmEnds } from './cutting.js';
import { literalEnds } from './literal.js';
import { stream } from './streams.js';
import { type ChunkingVectors, chunkingVectors } from './vectors.js';

const file = new URL('../../../fixtures/vectors/chunking.json', import.meta.url);
const vectors = JSON.parse(readFileSync(file, 'utf8')) as ChunkingVectors;
const gear = Buffer.from(vectors.gear, 'hex');

test('the vectors on disk are those that SPEC.md gives', () => {
  assert.deepEqual(vectors, JSON.parse(JSON.stringify(chunkingVectors())));
});

for (const { sizes, stream: recipe, ends } of vectors.cases) {
  test(`vector "${recipe.seed}", ${recipe.length} bytes, sizes ${sizes.join(' ')}`, () => {
    const [min, average, max] = sizes;
    const chunkSizes: ChunkSizes = { min, average, max };
    const data = stream(recipe);
    assert.deepEqual(wasmEnds(gear, chunkSizes, data), ends, 'wasm');
    assert.deepEqual(referenceEnds(gear, chunkSizes, data), ends, 'reference');
    assert.deepEqual(literalEnds(gear, sizes, data), ends, 'literal');
  });
}
