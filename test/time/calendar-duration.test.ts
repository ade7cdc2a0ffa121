import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VarveError } from '../../src/errors/errors.js';
import {
  type CalendarDuration,
  parseCalendarDuration,
  subtractCalendarDuration,
} from '../../src/time/calendar-duration.js';

process.env.TZ = 'Europe/Berlin';

const NONE: CalendarDuration = { years: 0, months: 0, weeks: 0, days: 0, hours: 0 };
const seconds = (text: string): number => Date.parse(text) / 1000;

/** The time so long before another, both in UTC. */
function before(text: string, duration: string): string {
  const time = subtractCalendarDuration(
    { seconds: seconds(text), nanoseconds: 7 },
    parseCalendarDuration(duration, '--time'),
  );
  assert.equal(time.nanoseconds, 7);
  return new Date(time.seconds * 1000).toISOString();
}

test('durations are read as people write them', () => {
  assert.deepEqual(parseCalendarDuration('3D', 'x'), { ...NONE, days: 3 });
  assert.deepEqual(parseCalendarDuration('14d', 'x'), { ...NONE, days: 14 });
  assert.deepEqual(parseCalendarDuration('1y2m', 'x'), { ...NONE, years: 1, months: 2 });
  assert.deepEqual(parseCalendarDuration('36h', 'x'), { ...NONE, hours: 36 });
  assert.deepEqual(parseCalendarDuration('2h1y3W5m7d', 'x'), { years: 1, months: 5, weeks: 3, days: 7, hours: 2 });
  assert.deepEqual(parseCalendarDuration('0d', 'x'), NONE);
});

test('parseCalendarDuration refuses other texts and names the option', () => {
  for (const wrong of ['', 'd', '3', '3 d', '-3d', '3s', '1d2', '1d1d', '1.5d', '1000000000y', '2026-01-31'])
    assert.throws(
      () => parseCalendarDuration(wrong, '--keep-within'),
      (error) => error instanceof VarveError && error.code === 'usage' && error.message.startsWith('--keep-within: '),
      wrong,
    );
});

test('a duration is subtracted by the calendar of this zone', () => {
  assert.equal(before('2026-03-15T12:00:00Z', '3d'), '2026-03-12T12:00:00.000Z');
  assert.equal(before('2026-03-15T12:00:00Z', '36h'), '2026-03-14T00:00:00.000Z');
  assert.equal(before('2026-03-15T12:00:00Z', '1y2m'), '2025-01-15T12:00:00.000Z');
  assert.equal(before('2026-03-15T12:00:00Z', '2w'), '2026-03-01T12:00:00.000Z');
});

test('days and hours differ where the clocks change', () => {
  // 29 March 2026, 02:00 becomes 03:00.
  assert.equal(before('2026-03-29T10:00:00Z', '1d'), '2026-03-28T11:00:00.000Z');
  assert.equal(before('2026-03-29T10:00:00Z', '24h'), '2026-03-28T10:00:00.000Z');
  assert.equal(before('2026-10-25T11:00:00Z', '1d'), '2026-10-24T10:00:00.000Z');
});

test('leap days and short months run over, as in Go', () => {
  assert.equal(before('2024-02-29T12:00:00Z', '1y'), '2023-03-01T12:00:00.000Z');
  assert.equal(before('2026-01-31T12:00:00Z', '2m'), '2025-12-01T12:00:00.000Z');
  assert.equal(before('2026-01-15T12:00:00Z', '100000y').startsWith('-'), true);
});
