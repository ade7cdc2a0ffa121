// Durations and dates of --keep-within.
// policy.ts applies them.
import { VarveError } from '../errors/errors.js';
import {
  type CalendarDuration,
  looksLikeCalendarDuration,
  parseCalendarDuration,
  subtractCalendarDuration,
} from '../time/calendar-duration.js';
import { instantOf } from '../time/civil.js';
import { compareTimes, type Time } from '../time/time.js';

/** A length of time in units of the calendar, or all the time since the beginning of a day. */
export type Span = CalendarDuration | { readonly since: Day };

interface Day {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
}

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const DAYS_OF_WEEK = 7;

/**
 * `14d`, `1y2m`, `1y5m7d2h`, also `2w` and `3D`: in any order, `m` is a month. Or a day, `2026-01-31`, from its beginning in this machine's zone.
 *
 * @param option named in the error
 */
export function parseSpan(text: string, option: string): Span {
  const trimmed = text.trim();
  const day = parseDay(trimmed);
  if (day !== undefined) return day;
  if (looksLikeCalendarDuration(trimmed)) return parseCalendarDuration(trimmed, option);
  throw new VarveError(
    'usage',
    `${option}: "${text}" is neither a duration, such as 14d, 6m or 1y5m7d2h (years, months, weeks, days, hours), nor a date such as 2026-01-31`,
  );
}

function parseDay(text: string): Span | undefined {
  const [year = 0, month = 0, day = 0] = (DATE.exec(text) ?? []).slice(1).map(Number);
  const date = new Date(Date.UTC(year, month - 1, day));
  const exists = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return exists && month > 0 ? { since: { year, month, day } } : undefined;
}

/** Whether the span has no length. As in restic, it then counts as absent. */
export function isEmptySpan(span: Span): boolean {
  return !('since' in span) && span.years + span.months + span.weeks + span.days + span.hours === 0;
}

/** `within 1y5m7d2h` or `since 2026-01-31`. */
export function describeSpan(span: Span): string {
  if ('since' in span) {
    const { year, month, day } = span.since;
    return `since ${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
  }
  const { years, months, weeks, days, hours } = span;
  const parts = [`${years}y`, `${months}m`, `${DAYS_OF_WEEK * weeks + days}d`, `${hours}h`];
  return `within ${parts.filter((part) => !part.startsWith('0')).join('')}`;
}

/**
 * Makes a test for times in the span that ends at `end`. A duration excludes its beginning, a day includes it. Times later than the end are in
 * the span too.
 *
 * @param end undefined when there is none: every time is then in a duration
 */
export function spanEndingAt(span: Span, end: Time | undefined): (time: Time) => boolean {
  if ('since' in span) {
    const midnight = instantOf({ ...span.since, hour: 0, minute: 0, second: 0 });
    return (time) => time.seconds >= midnight;
  }
  if (end === undefined) return () => true;
  const beginning = subtractCalendarDuration(end, span);
  // One hour before a repeated hour may be the same clock time. The end is in the span even then, unlike in restic.
  return (time) => compareTimes(time, beginning) > 0 || compareTimes(time, end) >= 0;
}
