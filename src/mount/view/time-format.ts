/** Times as Go writes them by a pattern, which is what restic's `--time-template` takes. */

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

/** What of a pattern stands for a part of the time: in this order, as Go looks for them. */
const CHUNKS =
  /January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|__2|_2(?!006)|002|0[1-6]|15|PM|pm|[-Z]07:00:00|[-Z]070000|[-Z]07:00|[-Z]0700|[-Z]07|[.,](?:0+|9+)(?!\d)|[1-5]/g;

/** A moment as this machine's calendar has it. */
interface Moment {
  readonly date: Date;
  readonly nanoseconds: number;
}

/** @param seconds since 1970 */
export function formatTime(pattern: string, seconds: number, nanoseconds: number): string {
  const moment = { date: new Date(seconds * 1000), nanoseconds };
  return pattern.replaceAll(CHUNKS, (chunk) => formatChunk(chunk, moment));
}

function formatChunk(chunk: string, { date, nanoseconds }: Moment): string {
  if (/^[.,]/.test(chunk)) return fraction(chunk, nanoseconds);
  if (/^[-Z]0/.test(chunk)) return zone(chunk, date);
  const hour = date.getHours();
  const two = (value: number): string => String(value).padStart(2, '0');
  switch (chunk) {
    case 'January':
      return MONTHS[date.getMonth()] as string;
    case 'Jan':
      return (MONTHS[date.getMonth()] as string).slice(0, 3);
    case '01':
      return two(date.getMonth() + 1);
    case '1':
      return String(date.getMonth() + 1);
    case 'Monday':
      return DAYS[date.getDay()] as string;
    case 'Mon':
      return (DAYS[date.getDay()] as string).slice(0, 3);
    case '02':
      return two(date.getDate());
    case '_2':
      return String(date.getDate()).padStart(2);
    case '2':
      return String(date.getDate());
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
      return two(date.getMinutes());
    case '4':
      return String(date.getMinutes());
    case '05':
      return two(date.getSeconds());
    case '5':
      return String(date.getSeconds());
    case '2006':
      return String(date.getFullYear()).padStart(4, '0');
    case '06':
      return two(date.getFullYear() % 100);
    case 'PM':
      return hour < 12 ? 'AM' : 'PM';
    case 'pm':
      return hour < 12 ? 'am' : 'pm';
    default:
      return zoneName(date);
  }
}

/** `.000` has as many digits; `.999` leaves out zeros at the end. */
function fraction(chunk: string, nanoseconds: number): string {
  const digits = String(nanoseconds)
    .padStart(9, '0')
    .slice(0, chunk.length - 1);
  if (chunk[1] === '0') return chunk[0] + digits.padEnd(chunk.length - 1, '0');
  const short = digits.replace(/0+$/, '');
  return short === '' ? '' : chunk[0] + short;
}

function zone(chunk: string, date: Date): string {
  const minutes = -date.getTimezoneOffset();
  if (chunk[0] === 'Z' && minutes === 0) return 'Z';
  const colon = chunk.includes(':') ? ':' : '';
  const two = (value: number): string => String(value).padStart(2, '0');
  const absolute = Math.abs(minutes);
  const parts = [two(Math.floor(absolute / 60)), two(absolute % 60), '00'];
  const count = Math.floor(chunk.replaceAll(':', '').length / 2);
  return (minutes < 0 ? '-' : '+') + parts.slice(0, count).join(colon);
}

function zoneName(date: Date): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(date);
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'UTC';
}

function dayOfYear(date: Date): number {
  const first = Date.UTC(date.getFullYear(), 0, 1);
  return Math.round((Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - first) / 86_400_000) + 1;
}
