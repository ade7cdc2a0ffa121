// Formats and parses times, in local time.
// time/ knows the time zone.
import { VarveError } from '../../errors/errors.js';
import { instantOf } from '../../time/civil.js';
import type { FileTime, Time } from '../../time/time.js';
import { localDate, offsetAt } from '../../time/zone.js';

/** Seconds of the years 0 and 9999, the limits of RFC 3339. */
const EARLIEST = -62_167_219_200;
const LATEST = 253_402_300_799;

interface LocalParts {
  readonly date: string;
  readonly clock: string;
  /** Minutes east of UTC. */
  readonly offset: number;
}

const pad = (value: number, digits = 2): string => String(value).padStart(digits, '0');

function localParts(time: FileTime): LocalParts {
  const millis = Math.min(LATEST, Math.max(EARLIEST, Number(time.seconds))) * 1000;
  const date = localDate(millis);
  const year = Math.min(9999, Math.max(0, date.getUTCFullYear()));
  return {
    date: `${pad(year, 4)}-${pad(date.getUTCMonth() + 1)}-${pad(date.getUTCDate())}`,
    clock: `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())}`,
    offset: Math.round(offsetAt(millis) / 60),
  };
}

function zone(offset: number, separator: string): string {
  const minutes = Math.abs(offset);
  return `${offset < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}${separator}${pad(minutes % 60)}`;
}

/** `.123`, without the zeros at its end; nothing for a whole second. */
function fraction(nanoseconds: number): string {
  return nanoseconds === 0 ? '' : `.${pad(nanoseconds, 9).replace(/0+$/, '')}`;
}

/** `2006-01-02T15:04:05.999999999+02:00` in this machine's zone, as in Go's JSON. */
export function rfc3339(time: FileTime): string {
  const { date, clock, offset } = localParts(time);
  return `${date}T${clock}${fraction(time.nanoseconds)}${offset === 0 ? 'Z' : zone(offset, ':')}`;
}

/** `2006-01-02 15:04:05` in this machine's zone. */
export function localTime(time: FileTime): string {
  const { date, clock } = localParts(time);
  return `${date} ${clock}`;
}

/** `2006-01-02 15:04:05.999999999 +0200` in this machine's zone. */
export function exactTime(time: Time): string {
  const { date, clock, offset } = localParts(time);
  return `${date} ${clock}${fraction(time.nanoseconds)} ${zone(offset, '')}${offset === 0 ? ' UTC' : ''}`;
}

const FORM =
  /^(?:(\d{4})-(\d\d)-(\d\d)|(\d\d)\.(\d\d)\.(\d{4}))(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,9}))?)?(?: ?(Z|[+-]\d\d:?\d\d))?$/;

/**
 * Parses `2006-01-02`, `2006-01-02 15:04`, with seconds, or RFC 3339; also `02.01.2006` for the date. A time without a zone is local.
 * Undefined for all others.
 */
export function readTime(text: string): Time | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [, y, m, d, day = d, month = m, year = y, clock = '00:00', seconds = ':00', digits = '', zone = ''] = match;
  const date = `${year}-${month}-${day}`;
  // Date.parse turns 31 February into 3 March.
  if (new Date(`${date}T00:00Z`).getUTCDate() !== Number(day)) return undefined;
  const millis = Date.parse(`${date}T${clock}${seconds}${zone.replace(/(\d\d)(\d\d)$/, '$1:$2') || 'Z'}`);
  if (Number.isNaN(millis)) return undefined;
  const instant = zone === '' ? localInstant(millis) : millis / 1000;
  return { seconds: instant, nanoseconds: Number(digits.padEnd(9, '0')) };
}

/** The moment, in seconds since 1970, when local clocks show what UTC shows at `millis`. */
function localInstant(millis: number): number {
  const date = new Date(millis);
  return instantOf({
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
  });
}

/** @param option named in the error */
export function parseTimeOption(text: string, option: string): Time {
  const time = readTime(text);
  if (time !== undefined) return time;
  throw new VarveError('usage', `${option}: "${text}" is not a time: use "2006-01-02 15:04:05" or RFC 3339`);
}
