import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { periodOf } from '../../src/retention/calendar.js';
import { history, keptOf, type Rules } from './history.js';

const keptTimes = (times: readonly string[], rules: Rules): string[] => Object.keys(keptOf(history(...times), rules));

/** Runs its tests in a time zone. */
function inZone(zone: string, tests: () => void): void {
  describe(zone, () => {
    beforeEach(() => {
      process.env.TZ = zone;
    });
    tests();
  });
}

inZone('Europe/Berlin', () => {
  test('periodOf uses the days of the time zone, not of UTC', () => {
    const times = ['2024-06-01T21:59:00Z', '2024-06-01T22:01:00Z', '2024-06-02T21:00:00Z'];
    assert.deepEqual(keptTimes(times, { daily: 9 }), ['2024-06-02T21:00:00Z', '2024-06-01T21:59:00Z']);
  });

  test('periodOf knows days of 23 hours', () => {
    const times = ['2024-03-30T23:30:00Z', '2024-03-31T00:59:00Z', '2024-03-31T01:01:00Z', '2024-03-31T21:59:00Z'];
    assert.deepEqual(keptTimes(times, { daily: 9 }), ['2024-03-31T21:59:00Z']);
    assert.equal(keptTimes(times, { hourly: 9 }).length, 4);
  });

  test('periodOf counts a repeated hour once', () => {
    const times = ['2024-10-27T00:10:00Z', '2024-10-27T01:10:00Z', '2024-10-27T02:10:00Z'];
    assert.deepEqual(keptTimes(times, { hourly: 9 }), ['2024-10-27T02:10:00Z', '2024-10-27T01:10:00Z']);
  });

  test('a duration of a day keeps the time of day when clocks change', () => {
    const forward = ['2024-03-30T11:30:00Z', '2024-03-31T11:00:00Z'];
    assert.equal(keptTimes(forward, { within: '1d' }).length, 1);
    assert.equal(keptTimes(forward, { within: '24h' }).length, 2);
    const back = ['2024-10-26T10:30:00Z', '2024-10-27T11:00:00Z'];
    assert.equal(keptTimes(back, { within: '1d' }).length, 2);
    assert.equal(keptTimes(back, { within: '24h' }).length, 1);
  });

  test('a duration that begins in a missing or repeated hour agrees with restic', () => {
    // 2:30 on the 31st of March is 3:30; on the 27th of October it is the second one.
    assert.equal(keptTimes(['2024-03-31T01:29:00Z', '2024-04-01T00:30:00Z'], { within: '1d' }).length, 1);
    assert.equal(keptTimes(['2024-03-31T01:31:00Z', '2024-04-01T00:30:00Z'], { within: '1d' }).length, 2);
    assert.equal(keptTimes(['2024-10-27T01:29:00Z', '2024-10-28T01:30:00Z'], { within: '1d' }).length, 1);
    assert.equal(keptTimes(['2024-10-27T01:31:00Z', '2024-10-28T01:30:00Z'], { within: '1d' }).length, 2);
  });

  test('applyPolicy keeps the newest when clocks are set back', () => {
    assert.deepEqual(keptTimes(['2024-10-26T23:40:00Z', '2024-10-27T00:30:00Z'], { within: '1h' }), [
      '2024-10-27T00:30:00Z',
    ]);
  });

  test('a date begins at midnight in the time zone', () => {
    assert.deepEqual(keptTimes(['2024-06-01T21:59:59Z', '2024-06-01T22:00:00Z'], { within: '2024-06-02' }), [
      '2024-06-01T22:00:00Z',
    ]);
  });
});

inZone('America/New_York', () => {
  test('periodOf when clocks change', () => {
    const forward = ['2024-03-10T06:30:00Z', '2024-03-10T07:30:00Z'];
    assert.equal(keptTimes(forward, { hourly: 9 }).length, 2);
    const back = ['2024-11-03T05:30:00Z', '2024-11-03T06:30:00Z'];
    assert.deepEqual(keptTimes(back, { hourly: 9 }), ['2024-11-03T06:30:00Z']);
  });

  test('a duration that begins in a missing or repeated hour agrees with restic', () => {
    // 2:30 on the 10th of March is 1:30; on the 3rd of November 1:30 is the first one.
    assert.equal(keptTimes(['2024-03-10T06:29:00Z', '2024-03-11T06:30:00Z'], { within: '1d' }).length, 1);
    assert.equal(keptTimes(['2024-03-10T06:31:00Z', '2024-03-11T06:30:00Z'], { within: '1d' }).length, 2);
    assert.equal(keptTimes(['2024-11-03T05:29:00Z', '2024-11-04T06:30:00Z'], { within: '1d' }).length, 1);
    assert.equal(keptTimes(['2024-11-03T05:31:00Z', '2024-11-04T06:30:00Z'], { within: '1d' }).length, 2);
  });
});

inZone('UTC', () => {
  test('periodOf uses weeks of ISO 8601', () => {
    const weekOf = (date: string) =>
      periodOf('weekly', { seconds: Date.parse(`${date}T12:00:00Z`) / 1000, nanoseconds: 0 });
    const weeks: Record<string, string> = {
      '2018-12-31': '2019-W1',
      '2020-12-31': '2020-W53',
      '2021-01-03': '2020-W53',
      '2021-01-04': '2021-W1',
      '2022-01-01': '2021-W52',
      '2024-02-29': '2024-W9',
      '2024-12-29': '2024-W52',
      '2024-12-30': '2025-W1',
      '2026-12-31': '2026-W53',
      '1969-12-28': '1969-W52',
    };
    for (const [date, week] of Object.entries(weeks)) assert.equal(weekOf(date), week, date);
  });

  test('periodOf counts a week across years once', () => {
    const times = ['2024-12-29 12:00', '2024-12-31 12:00', '2025-01-01 12:00', '2025-01-06 12:00'];
    assert.deepEqual(keptTimes(times, { weekly: 9 }), ['2025-01-06 12:00', '2025-01-01 12:00', '2024-12-29 12:00']);
    assert.deepEqual(keptTimes(times, { yearly: 9 }), ['2025-01-06 12:00', '2024-12-31 12:00']);
  });

  test('periodOf distinguishes equal days of two months and equal months of two years', () => {
    const times = ['2023-05-07 12:00', '2024-05-07 12:00', '2024-06-07 12:00'];
    assert.equal(keptTimes(times, { daily: 9 }).length, 3);
    assert.equal(keptTimes(times, { monthly: 9 }).length, 3);
    assert.equal(keptTimes(times, { yearly: 9 }).length, 2);
  });

  test('periodOf and durations handle leap days', () => {
    assert.equal(keptTimes(['2024-02-28 12:00', '2024-02-29 12:00', '2024-03-01 12:00'], { daily: 9 }).length, 3);
    assert.equal(keptTimes(['2023-03-01 11:59', '2024-02-29 12:00'], { within: '1y' }).length, 1);
    assert.equal(keptTimes(['2023-03-01 12:01', '2024-02-29 12:00'], { within: '1y' }).length, 2);
    assert.equal(keptTimes(['2024-03-02 11:59', '2024-03-31 12:00'], { within: '1m' }).length, 1);
    assert.equal(keptTimes(['2024-03-02 12:01', '2024-03-31 12:00'], { within: '1m' }).length, 2);
    assert.equal(keptTimes(['2023-03-03 11:59', '2023-03-31 12:00'], { within: '1m' }).length, 1);
  });

  test('applyPolicy keeps everything within a duration longer than the calendar', () => {
    for (const within of ['1950y', '9000y', '999999999y'])
      assert.equal(keptTimes(['1970-01-01 12:00', '2024-01-01 12:00'], { within }).length, 2);
  });
});
