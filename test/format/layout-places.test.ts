import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Layout } from '../../src/format/layout.js';

const runs = fc
  .tuple(fc.nat(5), fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 9 }))
  .map(([first, others]) => [first, ...others]);

/** For each byte of the file where it is in the stream; -1 in a hole. */
function places(lengths: readonly number[]): number[] {
  let stream = 0;
  return lengths.flatMap((length, number) => Array.from({ length }, () => (number % 2 === 0 ? stream++ : -1)));
}

describe('the layout of a file with holes', () => {
  it('within lists the stored parts of any range of the file', () => {
    const property = fc.property(runs, fc.nat(70), fc.nat(70), (lengths, start, length) => {
      const expected = places(lengths);
      const found = expected.map(() => -1);
      let before = -1;
      for (const piece of new Layout(lengths).within(start, length)) {
        assert.ok(piece.length > 0 && piece.file > before);
        before = piece.file;
        for (let at = 0; at < piece.length; at++) found[piece.file + at] = piece.stream + at;
      }
      assert.deepEqual(
        found,
        expected.map((place, at) => (at >= start && at < start + length ? place : -1)),
      );
    });
    fc.assert(property, { numRuns: 2000 });
  });

  it('dataFrom and holeFrom find where data and holes begin', () => {
    const property = fc.property(runs, fc.nat(70), (lengths, from) => {
      const all = places(lengths);
      const data = all.findIndex((place, at) => at >= from && place >= 0);
      const layout = new Layout(lengths);
      assert.equal(layout.dataFrom(from), data < 0 ? undefined : data);
      if (data !== from) return;
      const hole = all.findIndex((place, at) => at >= from && place < 0);
      assert.equal(layout.holeFrom(from), hole < 0 ? all.length : hole);
    });
    fc.assert(property, { numRuns: 2000 });
  });
});
