import { VarveError } from '../errors/errors.js';

const FORM = /^(?=\d)(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?$/;

/**
 * Seconds of `90s`, `5m`, `1h30m`, as Go writes durations, and of `0`. Here `m` is minutes; in `parseCalendarDuration` it is months.
 *
 * @param option named in the error
 */
export function parseDuration(text: string, option: string): number {
  if (text === '0') return 0;
  const match = FORM.exec(text);
  if (match === null)
    throw new VarveError(
      'usage',
      `${option}: "${text}" is not a duration: use hours, minutes and seconds, such as 90s, 5m, 1h30m`,
    );
  const [hours, minutes, seconds] = match.slice(1).map((digits) => Number(digits ?? 0)) as [number, number, number];
  return (hours * 60 + minutes) * 60 + seconds;
}
