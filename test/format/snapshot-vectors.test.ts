import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decodeSnapshot, encodeSnapshot } from '../../src/format/snapshot.js';
import { isVarveError } from '../errors/expect-error.js';

interface Vectors {
  readonly accepted: readonly {
    readonly what: string;
    readonly sources?: readonly (readonly [number, number])[];
    readonly suspect?: readonly string[];
    readonly encoding: string;
  }[];
  readonly refused: readonly { readonly what: string; readonly encoding: string }[];
}

const FILE = new URL('../../../fixtures/vectors/snapshots.json', import.meta.url);
const vectors = JSON.parse(readFileSync(FILE, 'utf8')) as Vectors;

for (const { what, sources, suspect, encoding } of vectors.accepted) {
  test(`decodeSnapshot and encodeSnapshot agree with the vector: ${what}`, () => {
    const snapshot = decodeSnapshot(Buffer.from(encoding, 'hex'), 'x');
    assert.deepEqual(
      snapshot.sources?.map(({ entries, bytes }) => [entries, bytes]),
      sources,
    );
    assert.deepEqual(
      snapshot.suspect?.map((path) => path.toString('hex')),
      suspect,
    );
    assert.equal(encodeSnapshot(snapshot).toString('hex'), encoding);
  });
}

for (const { what, encoding } of vectors.refused) {
  test(`decodeSnapshot refuses the vector: ${what}`, () => {
    assert.throws(() => decodeSnapshot(Buffer.from(encoding, 'hex'), 'x'), isVarveError('damaged', /^x/));
  });
}
