// Formats times by patterns of Go's time package, which restic's `--time-template` takes.

import { localDate, offsetAt, zoneNameAt } from '../../time/zone.js';

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** The parts of a pattern that stand for parts of the time, in the order in which Go tries them. */
const CHUNKS =
  /January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|__2|_2(?!006)|002|0[1-6]|15|PM|pm|[-Z]07:00:00|[-Z]070000|[-Z]07:00|[-Z]0700|[-Z]07|[.,](?:0+|9+)(?!\d)|[1-5]/g;

/** A time in the local time zone. */
interface Moment {
  /** Local time, in the getters for UTC. */
  readonly date: Date;
  /** Milliseconds since 1970. */
  readonly millis: number;
  readonly nanoseconds: number;
}

/** @param seconds since 1970 */
export function formatTime(pattern: string, seconds: number, nanoseconds: number): string {
  const moment = { date: localDate(seconds * 1000), millis: seconds * 1000, nanoseconds };
  return pattern.replaceAll(CHUNKS, (chunk) => formatChunk(chunk, moment));
}

function formatChunk(chunk: string, { date, millis, nanoseconds }: Moment): string {
  if (/^[.,]/.test(chunk)) return fraction(chunk, nanoseconds);
  if (/^[-Z]0/.test(chunk)) return zone(chunk, millis);
  const hour = date.getUTCHours();
  const two = (value: number): string => String(value).padStart(2, '0');
  switch (chunk) {
    case 'January':
      return MONTHS[date.getUTCMonth()] as string;
    case 'Jan':
      return (MONTHS[date.getUTCMonth()] as string).slice(0, 3);
    case '01':
      return two(date.getUTCMonth() + 1);
    case '1':
      return String(date.getUTCMonth() + 1);
    case 'Monday':
      return DAYS[date.getUTCDay()] as string;
    case 'Mon':
      return (DAYS[date.getUTCDay()] as string).slice(0, 3);
    case '02':
      return two(date.getUTCDate());
    case '_2':
      return String(date.getUTCDate()).padStart(2);
    case '2':
      return String(date.getUTCDate());
    case '002':
      return String(dayOfYear(date)).padStart(3, '0');
    case '__2':
      return String(dayOfYear(date)).padStart(3);
    case '15':
      return two(hour);
    case '03':
      return two(hour % 12 || 12);
    case '3':
      return String(hour % 12 || 12);
    case '04':
      return two(date.getUTCMinutes());
    case '4':
      return String(date.getUTCMinutes());
    case '05':
      return two(date.getUTCSeconds());
    case '5':
      return String(date.getUTCSeconds());
    case '2006':
      return String(date.getUTCFullYear()).padStart(4, '0');
    case '06':
      return two(date.getUTCFullYear() % 100);
    case 'PM':
      return hour < 12 ? 'AM' : 'PM';
    case 'pm':
      return hour < 12 ? 'am' : 'pm';
    default:
      return zoneNameAt(millis);
  }
}

/** `.000` keeps trailing zeros; `.999` drops them. */
function fraction(chunk: string, nanoseconds: number): string {
  const digits = String(nanoseconds)
    .padStart(9, '0')
    .slice(0, chunk.length - 1);
  if (chunk[1] === '0') return chunk[0] + digits.padEnd(chunk.length - 1, '0');
  const short = digits.replace(/0+$/, '');
  return short === '' ? '' : chunk[0] + short;
}

function zone(chunk: string, millis: number): string {
  const minutes = Math.round(offsetAt(millis) / 60);
  if (chunk[0] === 'Z' && minutes === 0) return 'Z';
  const colon = chunk.includes(':') ? ':' : '';
  const two = (value: number): string => String(value).padStart(2, '0');
  const absolute = Math.abs(minutes);
  const parts = [two(Math.floor(absolute / 60)), two(absolute % 60), '00'];
  const count = Math.floor(chunk.replaceAll(':', '').length / 2);
  return (minutes < 0 ? '-' : '+') + parts.slice(0, count).join(colon);
}

function dayOfYear(date: Date): number {
  const first = Date.UTC(date.getUTCFullYear(), 0, 1);
  return Math.round((Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) - first) / 86_400_000) + 1;
}
