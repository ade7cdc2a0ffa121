// Turns failed answers into messages that say what to do.
// Errors of the connection are network-error.ts's.
import type { Buffer } from 'node:buffer';
import { type ErrorCode, VarveError } from '../../errors/errors.js';
import type { Credentials } from './location.js';
import { header, type RestAnswer, type RestRequest } from './transport.js';

/** The request. */
export interface Attempt {
  readonly method: RestRequest['method'];
  readonly credentials: Credentials | undefined;
  /** A message of the server beside its answer. */
  readonly complaint: string | undefined;
}

interface Meaning {
  readonly code?: ErrorCode;
  readonly text: string;
}

const RETRYABLE = new Set([408, 429, 500, 502, 503, 504]);
/** Characters of a server's message to show. */
const TEXT = 300;
const FREE_SPACE =
  'the stored data is safe: free some space there (`varve forget --prune`, or a larger quota) and run it again';

const NO_SUCH_PATH =
  'the server rejects that path: is it right, not deeper than the server allows, and is this a REST server for restic?';

/** Turns a failed answer into a message that says what to do. */
export function refusal(answer: RestAnswer, attempt: Attempt): VarveError {
  const { code = 'storage', text } = meaningOf(answer, attempt);
  const retryable = code === 'storage' && RETRYABLE.has(answer.status);
  return new VarveError(code, text, { retryable });
}

function meaningOf(answer: RestAnswer, attempt: Attempt): Meaning {
  const { status } = answer;
  const said = attempt.complaint ?? plain(answer.body);
  if (status === 401) return { code: 'denied', text: unknownUser(attempt) };
  if (status === 403) return { code: 'denied', text: forbidden(attempt, said) };
  if (status === 404)
    return attempt.method === 'POST' ? { text: NO_SUCH_PATH } : { code: 'not-found', text: 'it is not there' };
  if (status === 413)
    return { text: 'the server, or a proxy in front of it, rejects an object of this size: raise its limit' };
  if (status === 416) return { code: 'damaged', text: 'it is shorter than it should be; run `varve check`' };
  if (status === 507 || (status >= 500 && OUT_OF_SPACE.test(said)))
    return { code: 'full', text: `no space left on the server; ${FREE_SPACE}` };
  if (attempt.complaint !== undefined && BAD_KEYS.test(attempt.complaint))
    return {
      code: 'denied',
      text: `${attempt.complaint}: does the remote have the right keys? Try \`rclone lsd REMOTE:\``,
    };
  if (status >= 300 && status < 400) return { text: moved(answer) };
  if (status === 405 || status === 501)
    return { text: `the server does not know ${attempt.method}: is it a REST server for restic?` };
  if (status === 429 || status === 503) return { text: `the server is too busy (${status}${appended(said)})` };
  return { text: `the server answers ${status}${appended(said)}` };
}

const OUT_OF_SPACE = /no space left|quota/i;
/** Messages of other stores about wrong keys, which rclone passes on. */
const BAD_KEYS = /\b40[13]\b|AccessDenied|SignatureDoesNotMatch|InvalidAccessKeyId|unauthorized|forbidden/i;

/** `varve serve`'s message when it may not read or write its own files: another user name would not help. */
const ITSELF_DENIED = /server itself is denied/;

function unknownUser({ credentials }: Attempt): string {
  if (credentials === undefined)
    return 'the server requires a user and a password: write rest:https://USER:PASSWORD@…, or set VARVE_REST_USERNAME and VARVE_REST_PASSWORD';
  const { user, password, source } = credentials;
  if (password === '') return `the server requires a password of the user "${user}": set VARVE_REST_PASSWORD`;
  return `the server does not know the user "${user}", or not with this password (from ${source}), or the repository is another user’s`;
}

function forbidden({ method, credentials }: Attempt, said: string): string {
  if (ITSELF_DENIED.test(said)) return `the server forbids it: ${said}`;
  if (credentials === undefined && method === 'DELETE') return 'the server forbids it: it is append-only';
  const who = credentials === undefined ? 'without a user and a password' : `to the user "${credentials.user}"`;
  if (method === 'DELETE') return `the server forbids it ${who}: it is append-only, or so for this user`;
  return `the server forbids it ${who}: is the repository another user’s?`;
}

/** varve follows no redirect, because the other server would get the password. */
function moved(answer: RestAnswer): string {
  const target = header(answer, 'location') ?? '';
  const where = URL.canParse(target) ? ` to ${new URL(target).origin}` : '';
  return `the server redirects${where} (${answer.status}): if that is right, change the repository’s location`;
}

const appended = (said: string): string => (said === '' ? '' : `: ${said}`);

/** One line without control characters; empty for a page of HTML. */
export function plain(text: Buffer | string): string {
  const line = text
    .toString()
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim();
  if (line.startsWith('<')) return '';
  return line.length > TEXT ? `${line.slice(0, TEXT)}…` : line;
}
