import type { Time } from '../format/time.js';

/** A date and the time of day, by the calendar and the clock of this machine's zone. */
export interface Civil {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

export const PERIODS = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;
/** How often one snapshot is kept. */
export type Period = (typeof PERIODS)[number];

const DAY_MS = 24 * 3600 * 1000;
const MINUTE_MS = 60 * 1000;

export function civilOf({ seconds }: Time): Civil {
  const date = new Date(seconds * 1000);
  return {
    year: date.getFullYear(),
    month: date.getMonth() + 1,
    day: date.getDate(),
    hour: date.getHours(),
    minute: date.getMinutes(),
    second: date.getSeconds(),
  };
}

/**
 * Seconds since 1970 of a date and time in this machine's zone. Months and days may be out of their range: the 31st of February is the 3rd, or
 * 2nd, of March. A time that the clocks pass over or show twice is the one that Go takes, and so restic: by the offset in force some hours before or after.
 *
 * @returns -Infinity for what is before all dates
 */
export function instantOf({ year, month, day, hour, minute, second }: Civil): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const asUtc = date.getTime();
  const millis = asUtc - offsetAt(asUtc - offsetAt(asUtc));
  return Number.isNaN(millis) ? Number.NEGATIVE_INFINITY : millis / 1000;
}

/** Milliseconds that this machine's zone is ahead of UTC. */
function offsetAt(millis: number): number {
  return -new Date(millis).getTimezoneOffset() * MINUTE_MS;
}

/** Names the hour, day, ISO week, month or year that a time is in; the hour that is there twice when clocks are set back is one. */
export function periodOf(period: Period, time: Time): string {
  const { year, month, day, hour } = civilOf(time);
  switch (period) {
    case 'hourly':
      return `${year}-${month}-${day} ${hour}`;
    case 'daily':
      return `${year}-${month}-${day}`;
    case 'weekly':
      return isoWeek(year, month, day);
    case 'monthly':
      return `${year}-${month}`;
    case 'yearly':
      return `${year}`;
  }
}

/** A week begins on Monday and is of the year that its Thursday is in (ISO 8601). */
function isoWeek(year: number, month: number, day: number): string {
  const thursday = new Date(0);
  thursday.setUTCFullYear(year, month - 1, day);
  const weekday = (thursday.getUTCDay() + 6) % 7;
  thursday.setUTCDate(thursday.getUTCDate() + 3 - weekday);
  const yearOfWeek = thursday.getUTCFullYear();
  const newYear = new Date(0).setUTCFullYear(yearOfWeek, 0, 1);
  return `${yearOfWeek}-W${1 + Math.floor((thursday.getTime() - newYear) / DAY_MS / 7)}`;
}
