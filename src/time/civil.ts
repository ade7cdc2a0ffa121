// Dates and clock times in local time.
// zone.ts knows the time zone.
import type { Time } from './time.js';
import { localDate, offsetAt } from './zone.js';

/** A date and time of day in this machine's time zone. */
export interface Civil {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
}

export function civilOf({ seconds }: Time): Civil {
  const date = localDate(seconds * 1000);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
  };
}

/**
 * Seconds since 1970 of a date and time in this machine's zone. Months and days may be out of their range: the 31st of February is the 3rd, or
 * 2nd, of March. A time that the clocks pass over or show twice is the one that Go takes, and so restic: by the offset in force some hours before or after.
 *
 * @returns -Infinity before the earliest date that JavaScript has
 */
export function instantOf({ year, month, day, hour, minute, second }: Civil): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const asUtc = date.getTime();
  const millis = asUtc - offsetMillis(asUtc - offsetMillis(asUtc));
  return Number.isNaN(millis) ? Number.NEGATIVE_INFINITY : millis / 1000;
}

/** Milliseconds that this machine's zone is ahead of UTC. */
const offsetMillis = (millis: number): number => offsetAt(millis) * 1000;
