// Durations of the calendar: years, months, weeks, days, hours.
// duration.ts has those of the clock.
import { VarveError } from '../errors/errors.js';
import { civilOf, instantOf } from './civil.js';
import type { Time } from './time.js';

/** Whole years, months, weeks, days and hours: how long a month is depends on the date that it is subtracted from. */
export interface CalendarDuration {
  readonly years: number;
  readonly months: number;
  readonly weeks: number;
  readonly days: number;
  readonly hours: number;
}

const UNITS: Record<string, keyof CalendarDuration> = { y: 'years', m: 'months', w: 'weeks', d: 'days', h: 'hours' };
const FORM = /^(?:\d+[ymwdh])+$/i;
/** Of each unit. */
const MAX_COUNT = 999_999_999;

const DAYS_OF_WEEK = 7;
const SECONDS_OF_HOUR = 3600;

/** Whether a text is meant as a duration, not as a date. */
export function looksLikeCalendarDuration(text: string): boolean {
  return /^\d+[a-z]/i.test(text);
}

/**
 * `1y5m7d2h`, `3D`, `2w`: numbers with y, m (months), w, d or h after each, in either case, each unit once. `parseDuration` reads `m` as minutes.
 *
 * @param option named in the error
 */
export function parseCalendarDuration(text: string, option: string): CalendarDuration {
  const duration = { years: 0, months: 0, weeks: 0, days: 0, hours: 0 };
  const seen = new Set<string>();
  if (!FORM.test(text)) throw notDuration(text, option);
  for (const [, digits, letter = ''] of text.toLowerCase().matchAll(/(\d+)([a-z])/g)) {
    const unit = UNITS[letter];
    const count = Number(digits);
    if (unit === undefined || seen.has(letter) || count > MAX_COUNT) throw notDuration(text, option);
    seen.add(letter);
    duration[unit] = count;
  }
  return duration;
}

function notDuration(text: string, option: string): VarveError {
  return new VarveError(
    'usage',
    `${option}: "${text}" is not a duration: use years, months, weeks, days and hours, such as 14d, 36h, 1y2m`,
  );
}

/**
 * The time so long before, by the calendar of this machine's zone: a day before noon is noon, though clocks were changed in between; hours are
 * counted by the clock. The day of a month that has fewer days runs over into the next one, as in Go.
 */
export function subtractCalendarDuration(time: Time, { years, months, weeks, days, hours }: CalendarDuration): Time {
  const civil = civilOf(time);
  const day = civil.day - DAYS_OF_WEEK * weeks - days;
  const instant = instantOf({ ...civil, year: civil.year - years, month: civil.month - months, day });
  return { seconds: instant - hours * SECONDS_OF_HOUR, nanoseconds: time.nanoseconds };
}
