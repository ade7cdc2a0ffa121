// Hours, days, weeks, months and years in local time.
// time/ knows the time zone; policy.ts counts them.
import { civilOf } from '../time/civil.js';
import type { Time } from '../time/time.js';

export const PERIODS = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;
/** How often one snapshot is kept. */
export type Period = (typeof PERIODS)[number];

const DAY_MS = 24 * 3600 * 1000;

/** Names the hour, day, ISO week, month or year of a time. When clocks are set back, the repeated hour counts as one. */
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

/** ISO 8601: a week begins on Monday and belongs to the year of its Thursday. */
function isoWeek(year: number, month: number, day: number): string {
  const thursday = new Date(0);
  thursday.setUTCFullYear(year, month - 1, day);
  const weekday = (thursday.getUTCDay() + 6) % 7;
  thursday.setUTCDate(thursday.getUTCDate() + 3 - weekday);
  const yearOfWeek = thursday.getUTCFullYear();
  const newYear = new Date(0).setUTCFullYear(yearOfWeek, 0, 1);
  return `${yearOfWeek}-W${1 + Math.floor((thursday.getTime() - newYear) / DAY_MS / 7)}`;
}
