// restic's rules: which snapshots a policy keeps, and why.
// forget.ts groups and removes snapshots.
import { isSuspect, type Snapshot } from '../format/snapshot.js';
import { hasTags, splitTags } from '../repository/snapshots/snapshots.js';
import { compareTimes, type Time } from '../time/time.js';
import { PERIODS, type Period, periodOf } from './calendar.js';
import { describeSpan, isEmptySpan, type Span, spanEndingAt } from './span.js';

/** Rules. A snapshot is kept if one of them keeps it. */
export interface Policy {
  /** `last`: how many of the newest snapshots are kept. Others: for how many hours, days and so on the newest snapshot of each is kept. Infinity: all. */
  readonly counts: { readonly [what in 'last' | Period]?: number };
  /** Keeps all snapshots less than this much older than the newest. */
  readonly within?: Span | undefined;
  /** Keeps the newest of each hour, day and so on in these spans, which end at the newest snapshot. */
  readonly withinEach: { readonly [period in Period]?: Span };
  /** Lists joined by commas. A list keeps the snapshots that have all of its tags; '' keeps those without tags. */
  readonly tags: readonly string[];
}

/** The part of a snapshot that a policy needs. */
export interface Dated {
  readonly snapshot: Pick<Snapshot, 'time' | 'tags' | 'suspect'>;
}

export interface Kept<S> {
  readonly stored: S;
  /** In restic's words: `daily snapshot`, `within 1y`, `has tags [a, b]`. */
  readonly reasons: readonly string[];
}

/** Both newest first. */
export interface Decision<S> {
  readonly keep: readonly Kept<S>[];
  readonly remove: readonly S[];
}

/** Called for every snapshot, newest first. @returns the reason to keep it, if there is one */
type Rule = (snapshot: Dated['snapshot']) => string | undefined;

/** Whether the policy can never keep a snapshot. */
export function isEmptyPolicy({ counts, within, withinEach, tags }: Policy): boolean {
  const spans = [within, ...Object.values(withinEach)];
  return (
    tags.length === 0 &&
    Object.values(counts).every((count) => count === 0) &&
    spans.every((span) => span === undefined || isEmptySpan(span))
  );
}

/**
 * Applies a policy to a group of snapshots. Suspect snapshots are judged separately, so that none is kept instead of a good one.
 *
 * @param oldestFirst as `listSnapshots` gives them
 * @param now the spans end at the newest snapshot that is older than this
 */
export function applyPolicy<S extends Dated>(oldestFirst: readonly S[], policy: Policy, now: Time): Decision<S> {
  const good = applyToAlike(
    oldestFirst.filter(({ snapshot }) => !isSuspect(snapshot)),
    policy,
    now,
  );
  const suspect = applyToAlike(
    oldestFirst.filter(({ snapshot }) => isSuspect(snapshot)),
    policy,
    now,
  );
  if (suspect.keep.length + suspect.remove.length === 0) return good;
  const position = new Map(oldestFirst.map((stored, at) => [stored, at]));
  const newestFirst = (a: S, b: S): number => (position.get(b) as number) - (position.get(a) as number);
  return {
    keep: [...good.keep, ...suspect.keep].sort((a, b) => newestFirst(a.stored, b.stored)),
    remove: [...good.remove, ...suspect.remove].sort(newestFirst),
  };
}

function applyToAlike<S extends Dated>(oldestFirst: readonly S[], policy: Policy, now: Time): Decision<S> {
  const newest = oldestFirst.findLast(({ snapshot }) => compareTimes(snapshot.time, now) < 0);
  const rules = rulesOf(policy, newest?.snapshot.time);
  const keep: Kept<S>[] = [];
  const remove: S[] = [];
  for (const stored of oldestFirst.toReversed()) {
    const reasons = rules.map((rule) => rule(stored.snapshot)).filter((reason) => reason !== undefined);
    if (reasons.length > 0) keep.push({ stored, reasons });
    else remove.push(stored);
  }
  return { keep, remove };
}

/** In the order in which reasons are listed. */
function rulesOf({ counts, within, withinEach, tags }: Policy, newest: Time | undefined): Rule[] {
  const rules = tags.map(tagRule);
  if (within !== undefined && !isEmptySpan(within)) rules.push(withinRule(within, newest));
  rules.push(lastRule(counts.last ?? 0));
  for (const period of PERIODS) rules.push(countRule(period, counts[period] ?? 0));
  for (const period of PERIODS) {
    const span = withinEach[period];
    if (span !== undefined && !isEmptySpan(span)) rules.push(eachWithinRule(period, span, newest));
  }
  return rules;
}

function tagRule(list: string): Rule {
  const reason = `has tags [${splitTags(list).join(', ')}]`;
  return (snapshot) => (hasTags(snapshot, list) ? reason : undefined);
}

function withinRule(span: Span, newest: Time | undefined): Rule {
  const reason = describeSpan(span);
  const isInSpan = spanEndingAt(span, newest);
  return ({ time }) => (isInSpan(time) ? reason : undefined);
}

function lastRule(count: number): Rule {
  let left = count;
  return () => (left-- > 0 ? 'last snapshot' : undefined);
}

function countRule(period: Period, count: number): Rule {
  let left = count;
  const isNew = firstOfEach(period);
  return ({ time }) => (left > 0 && isNew(time) && left-- > 0 ? `${period} snapshot` : undefined);
}

function eachWithinRule(period: Period, span: Span, newest: Time | undefined): Rule {
  const reason = `${period} ${describeSpan(span)}`;
  const isInSpan = spanEndingAt(span, newest);
  const isNew = firstOfEach(period);
  return ({ time }) => (isInSpan(time) && isNew(time) ? reason : undefined);
}

/** Whether a time is in another hour, day and so on than the time of the previous call. */
function firstOfEach(period: Period): (time: Time) => boolean {
  let last: string | undefined;
  return (time) => {
    const current = periodOf(period, time);
    const isNew = current !== last;
    last = current;
    return isNew;
  };
}

/** `keep 3 daily, all yearly snapshots, hourly snapshots within 2d and all snapshots with tags [a, b]`, as restic says it. */
export function describePolicy({ counts, within, withinEach, tags }: Policy): string {
  const counted = (['last', ...PERIODS] as const)
    .filter((what) => (counts[what] ?? 0) > 0)
    .map((what) => `${counts[what] === Infinity ? 'all' : counts[what]} ${what === 'last' ? 'latest' : what}`);
  const parts = counted.length === 0 ? [] : [`${counted.join(', ')} snapshots`];
  for (const period of PERIODS) {
    const span = withinEach[period];
    if (span !== undefined && !isEmptySpan(span)) parts.push(`${period} snapshots ${describeSpan(span)}`);
  }
  const all: string[] = parts.length === 0 ? [] : [parts.join(', ')];
  for (const list of tags) all.push(list === '' ? 'all snapshots without tags' : `all snapshots with tags ${list}`);
  if (within !== undefined && !isEmptySpan(within)) all.push(`all snapshots ${describeSpan(within)}`);
  return `keep ${all.join(' and ')}`;
}
