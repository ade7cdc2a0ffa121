import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { existsSync } from 'node:fs';
import { policyFrom } from '../../src/cli/commands/forget/policy.js';
import { rfc3339 } from '../../src/cli/text/time.js';
import type { StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { planForget } from '../../src/retention/forget.js';
import { isEmptyPolicy } from '../../src/retention/policy.js';
import { compareTimes, type Time, timeFromMillis } from '../../src/time/time.js';
import { seeded } from '../filesystem/random.js';
import { storedSnapshot } from './history.js';
import type { ResticGroup, ResticRepository } from './restic-repository.js';

type Random = ReturnType<typeof seeded>;

const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Pacific/Auckland', 'America/St_Johns'];
const GROUPS = ['host,paths', 'host', 'paths,tags', 'host,paths,tags', ''];
const LONGEST_HISTORY = 40;
const DAY = 24 * 3600;
/** Seconds within which snapshots follow one another. */
const STEPS = [60, 1800, 3600, 4 * 3600, DAY, 3 * DAY, 8 * DAY, 40 * DAY];
/** Around which the calendar is not plain: clocks set forward and back, a leap day, the ends of years with 52 and 53 weeks. */
const ODD_TIMES = [
  '2024-03-31T00:50:00Z',
  '2024-10-27T00:30:00Z',
  '2024-03-10T06:40:00Z',
  '2024-11-03T05:30:00Z',
  '2024-02-29T12:00:00Z',
  '2020-12-31T23:00:00Z',
  '2021-01-03T12:00:00Z',
  '2024-12-30T08:00:00Z',
];

export interface Tally {
  readonly policies: number;
  readonly snapshots: number;
  readonly kept: number;
  readonly removed: number;
  /** How often each kind of reason was given. */
  readonly reasons: Readonly<Record<string, number>>;
}

/** Has restic and varve apply random policies to random histories, each in some time zone. @throws where they differ, with the seed of that case */
export function compareWithRestic(repository: ResticRepository, policies: number, firstSeed: number): Tally {
  const zones = existsSync('/usr/share/zoneinfo/Europe/Berlin') ? ZONES : ['UTC'];
  const tally = { policies, snapshots: 0, kept: 0, removed: 0, reasons: {} as Record<string, number> };
  const zoneBefore = process.env.TZ;
  try {
    for (let seed = firstSeed; seed < firstSeed + policies; seed++) {
      const random = seeded(seed);
      const zone = random.pick(zones);
      process.env.TZ = zone;
      count(tally, compareOnce(repository, random, zone, seed));
    }
  } finally {
    if (zoneBefore === undefined) delete process.env.TZ;
    else process.env.TZ = zoneBefore;
  }
  return tally;
}

function compareOnce(repository: ResticRepository, random: Random, zone: string, seed: number): ResticGroup[] {
  const snapshots = randomHistory(repository, random);
  const flags = randomFlags(random);
  const groupBy = random.pick(GROUPS);
  const args = Object.entries(flags).flatMap(([name, values]) => values.flatMap((value) => [name, value]));
  const theirs = repository.forget([...args, '--group-by', groupBy], zone);
  const told = `seed ${seed}, TZ=${zone}: forget ${args.join(' ')} --group-by '${groupBy}'`;
  assert.deepEqual(ours(snapshots, flags, groupBy), theirs.map(decisionOf).sort(byName), told);
  return theirs;
}

/** Clusters of snapshots of a few hosts; now and then some are of the future. */
function randomHistory(repository: ResticRepository, random: Random): StoredSnapshot[] {
  const times = new Map<string, Time>();
  const now = Math.floor(Date.now() / 1000);
  for (let left = 1 + random.below(LONGEST_HISTORY); left > 0; ) {
    let seconds = randomBeginning(random, now);
    const step = random.pick(STEPS);
    for (let length = Math.min(left, 1 + random.below(12)); length > 0; length--, left--) {
      const nanoseconds = random.below(4) === 0 ? random.below(1e9) : 0;
      times.set(`${seconds}.${nanoseconds}`, { seconds, nanoseconds });
      seconds += random.below(2) === 0 ? step : 1 + random.below(step);
    }
  }
  const made = [...times.values()].sort(compareTimes).map((time) => ({
    time,
    host: random.pick(['web1', 'web1', 'db']),
    paths: random.pick([['/srv'], ['/srv', '/etc'], ['/etc', '/srv']]).map((path) => Buffer.from(path)),
    tags: random.pick([[], [], ['a'], ['a', 'b'], ['b'], ['c', 'a']]),
  }));
  const ids = repository.replaceSnapshots(
    made.map(({ time, host, paths, tags }) => ({
      time: rfc3339(time),
      hostname: host,
      paths: paths.map(String),
      tags,
    })),
  );
  return made.map((about, at) => storedSnapshot(ids[at] ?? '', about));
}

function randomBeginning(random: Random, now: number): number {
  const kind = random.below(12);
  if (kind === 0) return now + random.below(400 * DAY) - 200 * DAY;
  if (kind < 7) return Date.parse(random.pick(ODD_TIMES)) / 1000 - random.below(5 * 3600);
  return Date.parse('2015-01-01T00:00:00Z') / 1000 + random.below(4000 * DAY);
}

const COUNTED = ['--keep-last', '--keep-hourly', '--keep-daily', '--keep-weekly', '--keep-monthly', '--keep-yearly'];
const WITHIN = ['', '-hourly', '-daily', '-weekly', '-monthly', '-yearly'].map((each) => `--keep-within${each}`);

/** One rule alone, or several. */
function randomFlags(random: Random): Record<string, string[]> {
  const flags: Record<string, string[]> = {};
  for (let rules = random.pick([1, 1, 2, 3, 5]); rules > 0; rules--) {
    const kind = random.below(13);
    if (kind < 6) flags[random.pick(COUNTED)] = [String(random.pick([0, 1, 1, 2, 3, 5, 8, 20]))];
    else if (kind < 12) flags[random.pick(WITHIN)] = [randomDuration(random)];
    else flags['--keep-tag'] = random.pick([['a'], ['a,b'], ['a, b', 'c'], [''], ['b', 'd']]);
  }
  return flags;
}

/** Not of one hour: with that, restic removes the newest snapshot when it was made in the first of two hours of the same name; varve does not. */
function randomDuration(random: Random): string {
  const part = (unit: string, most: number) => (random.below(3) === 0 ? `${random.below(most)}${unit}` : '');
  return (
    `${part('y', 5)}${part('m', 20)}${part('d', 45)}${part('h', 60).replace(/^1h/, '2h')}` || `${random.below(30)}d`
  );
}

interface Comparable {
  readonly name: string;
  readonly keep: readonly string[];
  readonly remove: readonly string[];
  readonly reasons: readonly (readonly string[])[];
}

const byName = (a: Comparable, b: Comparable): number => (a.name < b.name ? -1 : 1);

function decisionOf({ host, paths, tags, keep, remove, reasons }: ResticGroup): Comparable {
  return {
    name: JSON.stringify([host, paths, tags]),
    keep: (keep ?? []).map(({ id }) => id),
    remove: (remove ?? []).map(({ id }) => id),
    reasons: (reasons ?? []).map(({ matches }) => matches),
  };
}

/** An empty policy removes nothing with restic; with varve it is an error. What would remove everything it lets pass here, as restic does. */
function ours(snapshots: readonly StoredSnapshot[], flags: Record<string, string[]>, groupBy: string): Comparable[] {
  const policy = policyFrom(asOptions(flags));
  const words = groupBy.split(',');
  const by = { host: words.includes('host'), paths: words.includes('paths'), tags: words.includes('tags') };
  const now = timeFromMillis(Date.now());
  if (isEmptyPolicy(policy)) {
    assert.throws(() => planForget(snapshots, { policy, groupBy: by, now }), /no policy was specified/);
    return [];
  }
  const groups = planForget(snapshots, { policy, groupBy: by, allowRemoveAll: true, now });
  return groups
    .map(({ key, keep, remove }) => ({
      name: JSON.stringify([key.host ?? '', key.paths?.map(String) ?? null, noneAsNull(key.tags)]),
      keep: keep.map(({ stored }) => stored.id),
      remove: remove.map(({ id }) => id),
      reasons: keep.map(({ reasons }) => reasons),
    }))
    .sort(byName);
}

const noneAsNull = (tags: readonly string[] | undefined) => (tags === undefined || tags.length === 0 ? null : tags);

/** `--keep-within-daily` is `keepWithinDaily`. */
function asOptions(flags: Record<string, string[]>): Parameters<typeof policyFrom>[0] {
  const camel = (name: string) => name.slice(2).replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(
    Object.entries(flags).map(([name, values]) => [camel(name), name === '--keep-tag' ? values : values[0]]),
  );
}

function count(tally: { -readonly [name in keyof Tally]: Tally[name] }, groups: readonly ResticGroup[]): void {
  const reasons: Record<string, number> = { ...tally.reasons };
  for (const { keep, remove, reasons: told } of groups) {
    tally.kept += keep?.length ?? 0;
    tally.removed += remove?.length ?? 0;
    for (const match of (told ?? []).flatMap(({ matches }) => matches)) {
      const kind = match.replace(/(within|has tags) .*/, '$1');
      reasons[kind] = (reasons[kind] ?? 0) + 1;
    }
  }
  tally.reasons = reasons;
  tally.snapshots = tally.kept + tally.removed;
}
