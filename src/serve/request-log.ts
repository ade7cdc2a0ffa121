// The lines of the request log, plain and in Apache's format.
// Writing them to a file is left to the caller.

import { localDate, offsetAt } from '../time/zone.js';

/** What the log knows of a finished request. It has no secret, and no header but the user agent. */
export interface RequestRecord {
  /** When the request arrived. */
  readonly time: Date;
  readonly address: string;
  /** Undefined when not known, also after a wrong password: the name may be a password typed into the wrong field. */
  readonly user: string | undefined;
  readonly method: string;
  /** `anna/data/1a2b…`; undefined when the path is not one of the protocol. */
  readonly path: string | undefined;
  /** Bytes of the body, sent or received. */
  readonly bytes: number;
  readonly milliseconds: number;
  readonly status: number;
  /** Why the request was refused, or the server's own fault. */
  readonly reason: string;
  /** Whether the client disconnected before it had the whole response. */
  readonly aborted: boolean;
  readonly userAgent: string;
}

export type LogFormat = (record: RequestRecord) => string;

const SHOWN_NAME = 12;

/** `2026-01-31 14:00:05  192.0.2.7  anna  POST  anna/data/1a2b3c4d5e6f…  16777216 bytes  145 ms  200` */
export const plainLine: LogFormat = (record) => {
  const { time, address, user, method, path, bytes, milliseconds, status, reason, aborted } = record;
  const shown = (path ?? '?').replace(/[0-9a-f]{64}$/, (name) => `${name.slice(0, SHOWN_NAME)}…`);
  const outcome = aborted ? 'cut off' : String(status);
  const why = reason === '' ? '' : `  ${printable(reason)}`;
  const columns = [local(time), address, printable(user ?? '-') || '-', method, shown];
  return `${columns.join('  ')}  ${bytes} bytes  ${Math.round(milliseconds)} ms  ${outcome}${why}`;
};

/** Apache's combined log format, as rest-server writes it. An aborted request has nginx's status 499. */
export const combinedLine: LogFormat = ({ time, address, user, method, path, bytes, status, aborted, userAgent }) => {
  const target = path === undefined ? '?' : encodeURI(`/${path}`);
  const shown = `"${method} ${target} HTTP/1.1" ${aborted ? 499 : status} ${bytes} "" "${quoted(userAgent)}"`;
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
/** Characters of the client's user name or user agent that are logged. */
const LOGGED = 200;

/** Escapes what cannot be printed. Backslashes are doubled, so that a client cannot forge an escape. */
const printable = (text: string): string =>
  text
    .replaceAll('\\', '\\\\')
    .replace(UNPRINTABLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);

/** Truncates before escaping, so that no escape is aborted in half. */
const quoted = (text: string): string => printable([...text].slice(0, LOGGED).join('')).replaceAll('"', '\\"');
