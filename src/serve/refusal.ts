import { STATUS_CODES } from 'node:http';
import { errnoCode, VarveError } from '../errors/errors.js';

/** Why a request is not done. What it says goes to the client, which shows it to a person: it names nothing that the client may not know. */
export class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.headers = headers;
  }

  /** "Forbidden: the repository is append-only": restic shows no more of an answer than this. */
  get reason(): string {
    const name = STATUS_CODES[this.status] ?? 'Error';
    return this.message === '' ? name : `${name}: ${this.message}`;
  }
}

export const notFound = (): Refusal => new Refusal(404, '');

export const noRoom = (): Refusal => new Refusal(507, 'the disk of the server is full');

const FULL = new Set(['ENOSPC', 'EDQUOT']);
/** Asking again does not help: clients try again after a 500, and not after a 403. */
const DENIED = new Set(['EACCES', 'EPERM', 'EROFS']);
const MISSING = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

/** What the client is told of anything thrown. What went wrong inside is for the log, not for the client. */
export function refusalOf(cause: unknown): Refusal {
  if (cause instanceof Refusal) return cause;
  if (cause instanceof VarveError && cause.code === 'exists') return exists();
  const code = errnoCode(cause instanceof VarveError && cause.cause !== undefined ? cause.cause : cause) ?? '';
  if (FULL.has(code)) return noRoom();
  if (DENIED.has(code)) return new Refusal(403, 'the server itself is denied access to it, and its log says why');
  if (MISSING.has(code)) return notFound();
  return new Refusal(500, 'the log of the server tells why');
}

/** Whether something went wrong on this side: a person has to see to it. */
export function isServersFault(cause: unknown): boolean {
  if (cause instanceof Refusal || (cause instanceof VarveError && cause.code === 'exists')) return false;
  return refusalOf(cause).status !== 404;
}

export const exists = (): Refusal => new Refusal(403, 'it is there already, and nothing is overwritten');
