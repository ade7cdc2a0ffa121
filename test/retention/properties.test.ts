import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PERIODS } from '../../src/retention/calendar.js';
import { timeFromMillis } from '../../src/time/time.js';
import { keptOf, type Rules, storedSnapshot } from './history.js';

process.env.TZ = 'Europe/Berlin';

const minute = fc.oneof(
  fc.integer({ min: 0, max: 5_000_000 }),
  // Close together, where clocks are set back.
  fc.integer({ min: 2_535_000, max: 2_536_000 }),
);
const snapshots = fc
  .uniqueArray(fc.tuple(minute, fc.subarray(['a', 'b', 'c'])), { minLength: 1, maxLength: 40, selector: ([at]) => at })
  .map((made) =>
    made
      .sort(([a], [b]) => a - b)
      .map(([at, tags]) =>
        storedSnapshot(String(at), { time: timeFromMillis(Date.UTC(2020, 0, 1) + at * 60_000), tags }),
      ),
  );
const what = fc.constantFrom('last' as const, ...PERIODS);
const count = fc.integer({ min: 1, max: 12 });
const duration = fc.constantFrom('1h', '30h', '1d', '9d', '3w', '2m', '1y2m', '3y');
const tagList = fc.constantFrom('a', 'b', 'a,c', '');
const rule = fc.oneof(
  fc.tuple(what, count).map(([name, n]): Rules => ({ [name]: n })),
  duration.map((within): Rules => ({ within })),
  fc.tuple(fc.constantFrom(...PERIODS), duration).map(([period, text]): Rules => ({ each: { [period]: text } })),
);

const ids = (kept: Record<string, string[]>) => new Set(Object.keys(kept));

test('applyPolicy keeps more with a larger number, and never more than the number', () => {
  fc.assert(
    fc.property(snapshots, what, count, count, (list, name, n, more) => {
      const fewer = ids(keptOf(list, { [name]: n }));
      const many = ids(keptOf(list, { [name]: n + more }));
      assert.ok(fewer.size <= n);
      for (const id of fewer) assert.ok(many.has(id));
    }),
  );
});

test('applyPolicy keeps the newest by every rule except tags', () => {
  fc.assert(
    fc.property(snapshots, rule, (list, rules) => {
      assert.ok(ids(keptOf(list, rules)).has(list.at(-1)?.id ?? ''));
    }),
  );
});

test('applyPolicy keeps the union of its rules', () => {
  const rules = fc.array(
    fc.oneof(
      rule,
      tagList.map((list): Rules => ({ tags: [list] })),
    ),
    { minLength: 1, maxLength: 5 },
  );
  fc.assert(
    fc.property(snapshots, rules, (list, several) => {
      const parts = apart(together(several));
      const union: Record<string, string[]> = {};
      for (const kept of parts.map((one) => keptOf(list, one)))
        for (const [id, reasons] of Object.entries(kept)) union[id] = [...(union[id] ?? []), ...reasons];
      assert.deepEqual(sorted(keptOf(list, together(several))), sorted(union));
    }),
  );
});

/** Of several of one kind the last counts, as on the command line; of tags all do. */
function together(rules: readonly Rules[]): Rules {
  const merged: Rules = Object.assign({}, ...rules);
  const each: Rules['each'] = Object.assign({}, ...rules.map((one) => one.each ?? {}));
  return { ...merged, each: each ?? {}, tags: rules.flatMap((one) => one.tags ?? []) };
}

function apart({ within, each = {}, tags = [], ...counts }: Rules): Rules[] {
  return [
    ...(within === undefined ? [] : [{ within }]),
    ...Object.entries(each).map(([period, text]) => ({ each: { [period]: text } })),
    ...tags.map((list) => ({ tags: [list] })),
    ...Object.entries(counts).map(([name, n]) => ({ [name]: n })),
  ];
}

const sorted = (kept: Record<string, string[]>) =>
  Object.entries(kept)
    .map(([id, reasons]) => `${id}: ${reasons.sort().join()}`)
    .sort();
