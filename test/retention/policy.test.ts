import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describePolicy, isEmptyPolicy } from '../../src/retention/policy.js';
import { history, keptOf, policyOf } from './history.js';

process.env.TZ = 'UTC';

const WEEK = history(
  '2024-05-06 08:00',
  '2024-05-06 20:00',
  '2024-05-07 08:10',
  '2024-05-07 08:50,a',
  '2024-05-09 08:00,a,b',
  '2024-05-13 08:00',
);

test('applyPolicy keeps the last n', () => {
  assert.deepEqual(keptOf(WEEK, { last: 2 }), {
    '2024-05-13 08:00': ['last snapshot'],
    '2024-05-09 08:00,a,b': ['last snapshot'],
  });
});

test('applyPolicy keeps the last of each hour that has a snapshot', () => {
  assert.deepEqual(Object.keys(keptOf(WEEK, { hourly: 4 })), [
    '2024-05-13 08:00',
    '2024-05-09 08:00,a,b',
    '2024-05-07 08:50,a',
    '2024-05-06 20:00',
  ]);
});

test('applyPolicy keeps the last of each day, week, month and year, with reasons', () => {
  assert.deepEqual(keptOf(WEEK, { daily: 3, weekly: 2, monthly: 2, yearly: 2 }), {
    '2024-05-13 08:00': ['daily snapshot', 'weekly snapshot', 'monthly snapshot', 'yearly snapshot'],
    '2024-05-09 08:00,a,b': ['daily snapshot', 'weekly snapshot'],
    '2024-05-07 08:50,a': ['daily snapshot'],
  });
});

test('applyPolicy keeps one of each period without a limit', () => {
  assert.deepEqual(Object.keys(keptOf(WEEK, { daily: Infinity })), [
    '2024-05-13 08:00',
    '2024-05-09 08:00,a,b',
    '2024-05-07 08:50,a',
    '2024-05-06 20:00',
  ]);
  assert.equal(Object.keys(keptOf(WEEK, { last: Infinity })).length, WEEK.length);
});

test('applyPolicy keeps what is newer than a duration before the newest, excluding its end', () => {
  assert.deepEqual(keptOf(WEEK, { within: '6d' }), {
    '2024-05-13 08:00': ['within 6d'],
    '2024-05-09 08:00,a,b': ['within 6d'],
    '2024-05-07 08:50,a': ['within 6d'],
    '2024-05-07 08:10': ['within 6d'],
  });
  assert.ok(!('2024-05-06 08:00' in keptOf(WEEK, { within: '1w' })));
  assert.ok('2024-05-06 08:00' in keptOf(WEEK, { within: '1w1h' }));
});

test('applyPolicy keeps one of each day within a duration', () => {
  assert.deepEqual(keptOf(WEEK, { each: { daily: '6d', monthly: '1y' } }), {
    '2024-05-13 08:00': ['daily within 6d', 'monthly within 1y'],
    '2024-05-09 08:00,a,b': ['daily within 6d'],
    '2024-05-07 08:50,a': ['daily within 6d'],
  });
});

test('applyPolicy keeps snapshots since a date', () => {
  assert.deepEqual(keptOf(WEEK, { within: '2024-05-09' }), {
    '2024-05-13 08:00': ['since 2024-05-09'],
    '2024-05-09 08:00,a,b': ['since 2024-05-09'],
  });
});

test('applyPolicy keeps snapshots with all tags of a list', () => {
  assert.deepEqual(keptOf(WEEK, { tags: ['b, a', 'a', 'c'], last: 1 }), {
    '2024-05-13 08:00': ['last snapshot'],
    '2024-05-09 08:00,a,b': ['has tags [b, a]', 'has tags [a]'],
    '2024-05-07 08:50,a': ['has tags [a]'],
  });
  assert.deepEqual(Object.values(keptOf(WEEK, { tags: [''] })), Array(4).fill(['has tags []']));
});

test('applyPolicy counts future snapshots, but no duration ends at one', () => {
  const times = ['2024-05-01 12:00', '2024-05-02 12:00', '2031-01-01 12:00'];
  const now = { seconds: Date.parse('2024-05-03T00:00:00Z') / 1000, nanoseconds: 0 };
  assert.deepEqual(keptOf(history(...times), { within: '1h' }, now), {
    '2031-01-01 12:00': ['within 1h'],
    '2024-05-02 12:00': ['within 1h'],
  });
  assert.deepEqual(Object.keys(keptOf(history(...times), { last: 1 }, now)), ['2031-01-01 12:00']);
  assert.deepEqual(keptOf(history('2031-01-01 12:00'), { within: '1h' }, now), { '2031-01-01 12:00': ['within 1h'] });
});

test('applyPolicy distinguishes fractions of a second', () => {
  const [first, second] = history('2024-05-01 12:00', '2024-05-01 13:00');
  assert.ok(first && second);
  const later = { ...first, snapshot: { ...first.snapshot, time: { ...first.snapshot.time, nanoseconds: 1 } } };
  assert.equal(Object.keys(keptOf([first, second], { within: '1h' })).length, 1);
  assert.equal(Object.keys(keptOf([later, second], { within: '1h' })).length, 2);
});

test('isEmptyPolicy accepts a policy of zeros', () => {
  assert.ok(isEmptyPolicy(policyOf({})));
  assert.ok(isEmptyPolicy(policyOf({ last: 0, daily: 0, within: '0d', each: { yearly: '0y0h' } })));
  for (const rules of [
    { yearly: 1 },
    { within: '1h' },
    { within: '2024-01-01' },
    { each: { hourly: '1d' } },
    { tags: [''] },
  ])
    assert.ok(!isEmptyPolicy(policyOf(rules)), JSON.stringify(rules));
  assert.deepEqual(keptOf(WEEK, { last: 0, within: '0d' }), {});
});

test('describePolicy describes every rule', () => {
  const words = describePolicy(
    policyOf({ last: 1, yearly: Infinity, within: '2w', each: { daily: '1y2m' }, tags: ['a'] }),
  );
  assert.equal(
    words,
    'keep 1 latest, all yearly snapshots, daily snapshots within 1y2m and all snapshots with tags a and all snapshots within 14d',
  );
});
