// Errors with an HTTP status, and the status of any other error.
// Sending them is left to exchange.ts.

import { STATUS_CODES } from 'node:http';
import { errnoCode, VarveError } from '../errors/errors.js';

/** Why a request fails. The client shows the message to its user, so it must not name anything that the client may not know. */
export class HttpError extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = 'HttpError';
    this.status = status;
    this.headers = headers;
  }

  /** "Forbidden: the repository is append-only". restic shows only this line of a response. */
  get reason(): string {
    const name = STATUS_CODES[this.status] ?? 'Error';
    return this.message === '' ? name : `${name}: ${this.message}`;
  }
}

export const notFound = (): HttpError => new HttpError(404, '');

export const diskFull = (): HttpError => new HttpError(507, 'the disk of the server is full');

const FULL = new Set(['ENOSPC', 'EDQUOT']);
/** Clients try again after a 500 but not after a 403. Trying again would not help here. varve's REST store knows the message. */
const DENIED = new Set(['EACCES', 'EPERM', 'EROFS']);
const MISSING = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

/** The error that the client gets. Internal details are for the log, not for the client. */
export function httpErrorOf(cause: unknown): HttpError {
  if (cause instanceof HttpError) return cause;
  if (cause instanceof VarveError && cause.code === 'exists') return alreadyExists();
  const code = errnoCode(cause instanceof VarveError && cause.cause !== undefined ? cause.cause : cause) ?? '';
  if (FULL.has(code)) return diskFull();
  if (DENIED.has(code)) return new HttpError(403, 'the server itself is denied access to it; see its log');
  if (MISSING.has(code)) return notFound();
  return new HttpError(500, 'see the log of the server');
}

/** Whether the server is at fault, so that an administrator should see the error. */
export function isServerFault(cause: unknown): boolean {
  if (cause instanceof HttpError || (cause instanceof VarveError && cause.code === 'exists')) return false;
  return httpErrorOf(cause).status !== 404;
}

export const alreadyExists = (): HttpError => new HttpError(403, 'the object already exists and is never overwritten');
