import { VarveError } from '../../errors/errors.js';

const DAY = 24 * 3600;
const YEAR = 365 * DAY;
/** Objects that are locked by mistake cost money until the lock ends. */
const LONGEST = 10 * YEAR;

/**
 * Parses `30d`, `1y`. No other units: elsewhere `m` means months or minutes, and a mistake here cannot be undone.
 *
 * @param option named in the error
 * @returns seconds
 */
export function parseLockTerm(text: string, option: string): number {
  const [, number, unit] = /^([1-9]\d{0,4})([dy])$/.exec(text) ?? [];
  const seconds = Number(number) * (unit === 'd' ? DAY : YEAR);
  if (seconds <= LONGEST) return seconds;
  throw new VarveError('usage', `${option}: "${text}" must be days or years, such as 30d or 1y, and 10 years at most`);
}
