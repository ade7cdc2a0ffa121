// The one error class, its codes, and judgements about errors.
// Messages are written where the errors happen.
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

/** What went wrong, in terms that a program can test. The exit code of the CLI follows from it. */
export type ErrorCode =
  | 'usage'
  | 'no-repository'
  | 'repository-exists'
  | 'wrong-password'
  | 'role'
  | 'damaged'
  /** A later version of varve made it. */
  | 'newer'
  | 'not-found'
  | 'ambiguous'
  | 'exists'
  | 'source'
  | 'target'
  | 'storage'
  | 'unreachable'
  | 'denied'
  | 'full'
  | 'incomplete'
  | 'locked'
  | 'interrupted'
  | 'internal';

/** An error that ends a command never has code 3, which says that there is a snapshot: see docs/exit-codes.md. */
const EXIT_CODES: Partial<Record<ErrorCode, number>> = {
  'no-repository': 10,
  locked: 11,
  'wrong-password': 12,
  interrupted: 130,
};

/** The form in which an error crosses threads and is printed with `--json`. */
export interface ErrorJson {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
}

/**
 * The one error class of varve. The message says what happened, to which path or object, and, where there is one,
 * what to do next.
 */
export class VarveError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; retryable?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'VarveError';
    this.code = code;
    this.retryable = options.retryable ?? false;
  }

  /** restic's exit codes: 1 failure, 10 no repository, 11 locked, 12 wrong password, 130 interrupted. */
  get exitCode(): number {
    return EXIT_CODES[this.code] ?? 1;
  }

  toJSON(): ErrorJson {
    return { code: this.code, message: this.message, retryable: this.retryable };
  }

  static fromJSON(json: ErrorJson): VarveError {
    return new VarveError(json.code, json.message, { retryable: json.retryable });
  }

  /** Any thrown value as a VarveError. System errors keep their reason in plain words, without a stack. */
  static from(cause: unknown, code: ErrorCode = 'internal', context = ''): VarveError {
    if (cause instanceof VarveError) return cause;
    const text = systemReason(cause);
    return new VarveError(code, context === '' ? text : `${context}: ${text}`, { cause });
  }
}

/**
 * Whether an object could not be read: no permission, a fault of disk or network, or it is in an archive. It may be sound, so
 * this is never a reason to call it damaged, to remove it or to replace it. `damaged` and `not-found` mean that it was read or looked up.
 */
export function isUnreadable(cause: unknown): boolean {
  return cause instanceof VarveError && (cause.code === 'storage' || cause.code === 'denied');
}

/** Whether the error is about one object: unreadable, missing or damaged. */
export function isAboutObject(cause: unknown): boolean {
  return isUnreadable(cause) || isBroken(cause);
}

/** Whether an object is missing or damaged. A changed epoch can show as `role`. */
export function isBroken(cause: unknown): boolean {
  return cause instanceof VarveError && (['damaged', 'not-found', 'role'] as ErrorCode[]).includes(cause.code);
}

/** Whether the error ends a whole operation: its other parts would fail too, or should not run. */
export function endsAll(cause: unknown): boolean {
  return (
    cause instanceof VarveError && (['interrupted', 'unreachable', 'internal'] as ErrorCode[]).includes(cause.code)
  );
}

/**
 * Ends an operation whose signal is aborted.
 *
 * @param cause the error that the abort led to; the signal's reason when it is left out
 * @throws VarveError `interrupted`
 */
export function throwIfInterrupted(signal: AbortSignal | undefined, cause?: unknown): void {
  if (signal?.aborted === true) throw new VarveError('interrupted', 'interrupted', { cause: cause ?? signal.reason });
}

/** Whether an operation ends because its signal was aborted. */
export const isInterrupted = (cause: unknown): boolean => cause instanceof VarveError && cause.code === 'interrupted';

/**
 * Runs an operation and reports its interruption in the operation's own words.
 *
 * @param message what the interruption left, and how to continue
 */
export async function explainInterruption<T>(message: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    throw isInterrupted(cause) ? new VarveError('interrupted', message, { cause }) : cause;
  }
}

/** An error with the path that it is about in front, unless it is there. */
export function aboutPath(path: string, cause: unknown): unknown {
  if (!(cause instanceof VarveError) || cause.code === 'interrupted' || cause.message.startsWith(`${path}: `))
    return cause;
  return new VarveError(cause.code, `${path}: ${cause.message}`, { cause, retryable: cause.retryable });
}

const REASONS: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  ENOENT: 'no such file or directory',
  EEXIST: 'file exists',
  ENOTDIR: 'not a directory',
  EISDIR: 'is a directory',
  ENOSPC: 'no space left on device',
  EDQUOT: 'disk quota exceeded',
  EROFS: 'read-only file system',
  EIO: 'input/output error',
  ELOOP: 'too many levels of symbolic links',
  ENAMETOOLONG: 'file name too long',
  EMFILE: 'too many open files: raise the limit (`ulimit -n 1024`)',
  ENOTEMPTY: 'directory not empty',
  EBUSY: 'device or resource busy',
  EXDEV: 'is on another file system',
  ENOTSUP: 'the file system does not support it',
  EOPNOTSUPP: 'the file system does not support it',
  ENOSYS: 'the file system does not support it',
  EFBIG: 'larger than the file system allows',
  EMLINK: 'too many hard links',
  E2BIG: 'too long for the file system',
  ESTALE: 'stale file handle: the server no longer knows the file',
  EBADMSG: 'the file system finds its data damaged',
  EUCLEAN: 'the file system finds itself damaged',
  EREMOTEIO: 'remote input/output error',
  ENOKEY: 'the key of the encrypted directory is not loaded',
};

/** Errors of Linux that neither libuv nor `os.constants` names. */
const LINUX_ERRORS: Record<number, string> = { 117: 'EUCLEAN', 121: 'EREMOTEIO', 126: 'ENOKEY' };
/** The code that Node gives an error which libuv does not name. */
const UNNAMED = /^Unknown system error -(\d+)$/;
/** What Node says when a thread cannot start; the system's reason is only in the message. */
const WORKER_FAILURE = /Worker initialization failure: (E[A-Z]+)$/;

/**
 * The reason of a system error in words ("permission denied"), or the error's message. Node's own messages repeat the path, so they are
 * used only for errors that are not the system's.
 */
export function systemReason(cause: unknown): string {
  const code = errnoCode(cause);
  const reason = code === undefined ? undefined : (REASONS[code] ?? reasonOfSystem(code));
  if (reason === undefined && cause instanceof Error && cause.message.startsWith('Unknown system error'))
    return `system error ${code}`;
  return reason ?? (cause instanceof Error ? cause.message : String(cause));
}

/** What libuv calls an error of the system; undefined when the code is not one of the system's. */
function reasonOfSystem(code: string): string | undefined {
  for (const [name, text] of systemErrors().values()) if (name === code) return text;
  return undefined;
}

/** The errno name ("ENOENT") of a system error, or undefined. */
export function errnoCode(cause: unknown): string | undefined {
  if (typeof cause !== 'object' || cause === null || !('code' in cause) || typeof cause.code !== 'string')
    return undefined;
  const [, ofWorker] = (cause.code === 'ERR_WORKER_INIT_FAILED' && WORKER_FAILURE.exec(String(cause))) || [];
  if (ofWorker !== undefined) return ofWorker;
  const [, unnamed] = UNNAMED.exec(cause.code) ?? [];
  return unnamed === undefined ? cause.code : errnoName(Number(unnamed));
}

let systemErrorMap: Map<number, [string, string]> | undefined;

/** Names and reasons by number, below 0. Node makes a new map at each call, which takes longer than most system calls. */
export function systemErrors(): ReadonlyMap<number, readonly [name: string, reason: string]> {
  systemErrorMap ??= getSystemErrorMap();
  return systemErrorMap;
}

/** The name of an error number of this system: "ESTALE" for 116; "E999" for one without a name. */
export function errnoName(errno: number): string {
  const [named] = systemErrors().get(-errno) ?? [];
  if (named !== undefined) return named;
  const found = Object.entries(constants.errno).find(([, number]) => number === errno);
  return found?.[0] ?? LINUX_ERRORS[errno] ?? `E${errno}`;
}
