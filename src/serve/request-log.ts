import { localDate, offsetAt } from '../time/zone.js';

/** What is told of a request when it is over. No header is in it but those that the combined format has, and no secret. */
export interface Told {
  /** When it came. */
  readonly time: Date;
  readonly address: string;
  /** Undefined when it is not known, also for a name with a wrong password: it may be the password, typed at the wrong place. */
  readonly user: string | undefined;
  readonly method: string;
  /** `anna/data/1a2b…`; undefined when the path is none that the protocol knows. */
  readonly path: string | undefined;
  /** Of the body that was sent or received. */
  readonly bytes: number;
  readonly milliseconds: number;
  readonly status: number;
  /** Why it was refused, or what went wrong inside. */
  readonly reason: string;
  /** Whether the client was gone before it had the whole answer. */
  readonly cut: boolean;
  readonly userAgent: string;
}

export type LogFormat = (told: Told) => string;

const SHOWN_NAME = 12;

/** `2026-01-31 14:00:05  192.0.2.7  anna  POST  anna/data/1a2b3c4d5e6f…  16777216 bytes  145 ms  200` */
export const plainLine: LogFormat = (told) => {
  const { time, address, user, method, path, bytes, milliseconds, status, reason, cut } = told;
  const shown = (path ?? '?').replace(/[0-9a-f]{64}$/, (name) => `${name.slice(0, SHOWN_NAME)}…`);
  const outcome = cut ? 'cut off' : String(status);
  const why = reason === '' ? '' : `  ${printable(reason)}`;
  const columns = [local(time), address, printable(user ?? '-') || '-', method, shown];
  return `${columns.join('  ')}  ${bytes} bytes  ${Math.round(milliseconds)} ms  ${outcome}${why}`;
};

/** Apache's combined log format, as rest-server writes it. A request whose client is gone has nginx's status 499. */
export const combinedLine: LogFormat = ({ time, address, user, method, path, bytes, status, cut, userAgent }) => {
  const target = path === undefined ? '?' : encodeURI(`/${path}`);
  const shown = `"${method} ${target} HTTP/1.1" ${cut ? 499 : status} ${bytes} "" "${quoted(userAgent)}"`;
  return `${address} - ${quoted(user ?? '').replaceAll(' ', '\\x20') || '-'} [${apacheTime(time)}] ${shown}`;
};

const pad = (value: number): string => String(value).padStart(2, '0');

const clock = (date: Date): string =>
  `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())}`;

function local(time: Date): string {
  const date = localDate(time.getTime());
  return `${date.getUTCFullYear()}-${pad(date.getUTCMonth() + 1)}-${pad(date.getUTCDate())} ${clock(date)}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `31/Jan/2026:14:00:05 +0100` */
function apacheTime(time: Date): string {
  const date = localDate(time.getTime());
  const offset = Math.round(offsetAt(time.getTime()) / 60);
  const zone = `${offset < 0 ? '-' : '+'}${pad(Math.floor(Math.abs(offset) / 60))}${pad(Math.abs(offset) % 60)}`;
  return `${pad(date.getUTCDate())}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}:${clock(date)} ${zone}`;
}

const UNPRINTABLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu;
/** Characters of what a client says that are logged. */
const LOGGED = 200;

/** A backslash is doubled, so that an escape can only be one that was made here. */
const printable = (text: string): string =>
  text
    .replaceAll('\\', '\\\\')
    .replace(UNPRINTABLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);

/** Cut first: the cut must not take an escape apart. */
const quoted = (text: string): string => printable([...text].slice(0, LOGGED).join('')).replaceAll('"', '\\"');
