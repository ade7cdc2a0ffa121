import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileStat } from '../../src/filesystem/stat.js';
import type { EntryStat } from '../../src/format/entry.js';
import { shouldWrite } from '../../src/restore/target.js';

test('fractions of a second make a file newer or changed', () => {
  const file = { type: 'file', size: 5, mtimeSeconds: 1000 };
  const existing = { ...file, mtimeNanoseconds: 500 } as FileStat;
  const ofTime = (mtimeNanoseconds: number) => ({ ...file, mtimeNanoseconds }) as EntryStat;
  for (const [nanoseconds, newer, changed] of [
    [499, false, true],
    [500, false, false],
    [501, true, true],
  ] as const) {
    assert.equal(shouldWrite(existing, ofTime(nanoseconds), 'if-newer'), newer);
    assert.equal(shouldWrite(existing, ofTime(nanoseconds), 'if-changed'), changed);
  }
});
