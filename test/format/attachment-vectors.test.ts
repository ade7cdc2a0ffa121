import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Layout } from '../../src/format/layout.js';
import { decodeXattrs, encodeXattrs } from '../../src/format/xattrs.js';
import { isVarveError } from '../errors/expect-error.js';

interface Vectors {
  readonly xattrs: readonly {
    readonly what: string;
    readonly attributes: readonly (readonly [string, string])[];
    readonly encoding: string;
  }[];
  readonly holes: readonly {
    readonly what: string;
    readonly runs: readonly number[];
    readonly size: number;
    readonly stored: number;
    readonly encoding: string;
    readonly pieces: readonly (readonly [number, number, number])[];
  }[];
  readonly refused: readonly {
    readonly what: string;
    readonly kind: 'xattrs' | 'holes';
    readonly encoding: string;
    readonly size?: number;
    readonly stored?: number;
  }[];
}

const FILE = new URL('../../../fixtures/vectors/attachments.json', import.meta.url);
const vectors = JSON.parse(readFileSync(FILE, 'utf8')) as Vectors;

for (const { what, attributes, encoding } of vectors.xattrs) {
  test(`attributes: ${what}`, () => {
    const list = attributes.map(([name, value]) => ({
      name: Buffer.from(name, 'hex'),
      value: Buffer.from(value, 'hex'),
    }));
    assert.equal(encodeXattrs(list).toString('hex'), encoding);
    assert.deepEqual(decodeXattrs(Buffer.from(encoding, 'hex'), 'x'), list);
  });
}

for (const { what, runs, size, stored, encoding, pieces } of vectors.holes) {
  test(`holes: ${what}`, () => {
    assert.equal(new Layout(runs).encode().toString('hex'), encoding);
    const layout = Layout.decode(Buffer.from(encoding, 'hex'), size, stored, 'x');
    assert.deepEqual(
      [...layout.pieces(0, stored)].map(({ stream, file, length }) => [stream, file, length]),
      pieces,
    );
  });
}

for (const { what, kind, encoding, size = 0, stored = 0 } of vectors.refused) {
  test(`refused: ${what}`, () => {
    const bytes = Buffer.from(encoding, 'hex');
    assert.throws(
      () => (kind === 'xattrs' ? decodeXattrs(bytes, 'x') : Layout.decode(bytes, size, stored, 'x')),
      isVarveError('damaged', /^x: /),
    );
  });
}
