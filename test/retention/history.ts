import { Buffer } from 'node:buffer';
import type { Snapshot } from '../../src/format/snapshot.js';
import type { StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { PERIODS, type Period } from '../../src/retention/calendar.js';
import { applyPolicy, type Policy } from '../../src/retention/policy.js';
import { parseSpan } from '../../src/retention/span.js';
import type { Time } from '../../src/time/time.js';

/** Later than all histories in the tests. */
export const NOW: Time = { seconds: Date.parse('2100-01-01T00:00:00Z') / 1000, nanoseconds: 0 };

/** A snapshot as `listSnapshots` gives them. */
export function storedSnapshot(id: string, about: Partial<Snapshot> & Pick<Snapshot, 'time'>): StoredSnapshot {
  const snapshot: Snapshot = {
    host: 'web1',
    user: 'root',
    uid: 0,
    gid: 0,
    paths: [Buffer.from('/srv')],
    tags: [],
    excludes: [],
    parent: undefined,
    original: undefined,
    root: { size: 0, depth: 0, ids: Buffer.alloc(0) },
    program: 'varve',
    summary: undefined,
    ...about,
  };
  return { id, snapshot, slot: '', label: '', role: 'full', doubt: undefined };
}

/**
 * A history, oldest first, of snapshots whose ids are what they are made from: `2024-03-31 01:30`, by this process' zone or with one (`+02:00`, `Z`), and tags after
 * commas.
 */
export function history(...texts: string[]): StoredSnapshot[] {
  const made = texts.map((text) => {
    const [time = '', ...tags] = text.split(',');
    const seconds = Date.parse(time.replace(' ', 'T')) / 1000;
    return storedSnapshot(text, { time: { seconds, nanoseconds: 0 }, tags });
  });
  return made.sort((a, b) => a.snapshot.time.seconds - b.snapshot.time.seconds);
}

/** `{ last: 3, daily: 7, within: '14d', tags: ['a,b'] }`, `{ each: { weekly: '2m' } }`. */
export interface Rules {
  readonly last?: number;
  readonly hourly?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
  readonly yearly?: number;
  readonly within?: string;
  readonly each?: { readonly [period in Period]?: string };
  readonly tags?: readonly string[];
}

export function policyOf({ within, each = {}, tags = [], ...counts }: Rules): Policy {
  const spans = PERIODS.map((period) => [period, each[period]] as const).filter(([, text]) => text !== undefined);
  return {
    counts,
    within: within === undefined ? undefined : parseSpan(within, '--keep-within'),
    withinEach: Object.fromEntries(spans.map(([period, text]) => [period, parseSpan(text ?? '', period)])),
    tags,
  };
}

/** What rules keep: the reasons by id, newest first. */
export function keptOf(snapshots: readonly StoredSnapshot[], rules: Rules, now = NOW): Record<string, string[]> {
  const { keep, remove } = applyPolicy(snapshots, policyOf(rules), now);
  if (keep.length + remove.length !== snapshots.length) throw new Error('a snapshot is neither kept nor removed');
  return Object.fromEntries(keep.map(({ stored, reasons }) => [stored.id, [...reasons]]));
}
