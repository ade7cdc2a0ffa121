// Times in the past: a date, or an age such as 3d.
// time.ts parses dates; time/ subtracts durations.
import { VarveError } from '../../errors/errors.js';
import {
  looksLikeCalendarDuration,
  parseCalendarDuration,
  subtractCalendarDuration,
} from '../../time/calendar-duration.js';
import { type Time, timeFromMillis } from '../../time/time.js';
import { readTime } from './time.js';

/** Describes the syntax of `parsePastTime` in helps. */
export const PAST_TIME = `a time is "2026-01-31 14:00", 2026-01-31 (its first moment), or how long ago: 3d, 36h, 1y2m (m is months)`;

/**
 * Parses a time as `parseTimeOption` does, or a duration before now.
 *
 * @param option named in the error
 * @param now milliseconds since 1970
 */
export function parsePastTime(text: string, option: string, now = Date.now()): Time {
  if (looksLikeCalendarDuration(text))
    return subtractCalendarDuration(timeFromMillis(now), parseCalendarDuration(text, option));
  const time = readTime(text);
  if (time === undefined) throw new VarveError('usage', `${option}: "${text}" is not a time: ${PAST_TIME}`);
  return time;
}
