import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runsOf, type Seeker } from '../../src/backup/holes.js';
import { Layout, MAX_RUNS } from '../../src/format/layout.js';

/** A file of data from each even boundary on to the next, and of holes between. */
function seekerOf(boundaries: readonly number[]): Seeker {
  const next = (offset: number, parity: number): number | undefined => {
    const run = boundaries.findLastIndex((each) => each <= offset);
    return run % 2 === parity ? offset : boundaries[run + 1];
  };
  return { data: (offset) => next(offset, 0), hole: (offset) => next(offset, 1) ?? Number.POSITIVE_INFINITY };
}

test('layoutOf finds data and holes at both ends of a file', () => {
  assert.deepEqual(runsOf(seekerOf([0]), 100), [100]);
  assert.deepEqual(runsOf(seekerOf([0, 10]), 100), [10, 90]);
  assert.deepEqual(runsOf(seekerOf([0, 10, 30]), 100), [10, 20, 70]);
  assert.deepEqual(runsOf(seekerOf([0, 0]), 100), [0, 100]);
  assert.deepEqual(runsOf(seekerOf([0, 0, 40, 60]), 100), [0, 40, 20, 40]);
  assert.deepEqual(runsOf(seekerOf([]), 0), []);
});

test('layoutOf returns a valid layout when holes change during the search', () => {
  for (let changed = 1; changed < 7; changed++) {
    let asked = 0;
    const { data, hole } = seekerOf([0, 10, 30, 50, 70]);
    // From some moment on there is a hole where data was, and data where a hole was.
    const seek: Seeker = {
      data: (offset) => (++asked >= changed ? offset : data(offset)),
      hole: (offset) => (++asked >= changed ? offset : hole(offset)),
    };
    const layout = new Layout(runsOf(seek, 100));
    assert.equal(layout.size, 100);
    assert.ok(asked <= changed + 2);
    Layout.decode(layout.encode(), 100, layout.stored, 'layout');
  }
});

test('layoutOf treats holes beyond the limit as data', () => {
  const seek: Seeker = {
    data: (offset) => offset + (offset % 2),
    hole: (offset) => offset + 1 - (offset % 2),
  };
  const size = MAX_RUNS + 1000;
  const runs = runsOf(seek, size);
  assert.equal(runs.length, MAX_RUNS - 1);
  assert.equal(new Layout(runs).size, size);
  Layout.decode(new Layout(runs).encode(), size, new Layout(runs).stored, 'layout');
});
