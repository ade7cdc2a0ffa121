// Turns errors of the SDK into messages that say what to do.
// Errors of the connection are network-error.ts's.
import { errnoCode, systemReason, VarveError } from '../../errors/errors.js';
import { IdleTimeoutError } from '../transport/idle-timeout.js';
import { networkError } from '../transport/network-error.js';

/** The operation and object of an error. */
export interface About {
  /** "cannot read data/abcd…" */
  readonly what: string;
  /** The permission that a policy must grant: "s3:GetObject". */
  readonly permission: string;
  /** A feature that the server may lack. */
  readonly doubt?: string | undefined;
}

/** @param path "data/abcd…" */
export const lookAt = (path: string): About => ({
  what: `cannot stat ${path}`,
  permission: 's3:GetObject and s3:ListBucket',
});

/** The server of a failed request. */
export interface Where {
  /** The repository's location. */
  readonly location: string;
  readonly bucket: string;
  /** "host:port" */
  readonly server: string;
  /** How to provide the keys, for the error when none are found. */
  readonly keys: string;
  readonly signal: AbortSignal | undefined;
}

/** The reliable fields of an SDK error. */
interface Failure {
  /** The error code of the server or the SDK. */
  readonly name: string;
  readonly status: number;
  /** The server's message, for readers who know S3. */
  readonly message: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Further fields of the answer's body. */
  readonly fields: Readonly<Record<string, unknown>>;
}

type Explain = (failure: Failure, where: Where, about: About) => VarveError;

const MAX_MESSAGE = 300;

/** Turns an error of the SDK or the connection into a message that says what to do. */
export function s3Error(cause: unknown, about: About, where: Where): VarveError {
  if (where.signal?.aborted && isAbort(cause))
    return new VarveError('interrupted', `${about.what}: interrupted`, { cause });
  if (cause instanceof VarveError) return cause;
  const idle = idleTimeoutError(cause, where);
  if (idle !== undefined) return withContext(idle, about, idle);
  const failure = failureOf(cause);
  const error = explain(failure, where, about);
  if (error !== undefined) return withContext(error, about, cause);
  if (failure.status === 0) return withContext(unanswered(rootOf(cause), where), about, cause);
  return withContext(unexpected(failure, where, about), about, cause);
}

/** Explains an error without an answer. Before a request the SDK reads keys from files and from other servers. */
function unanswered(root: unknown, { server, keys }: Where): VarveError {
  const { path, syscall } = root as { readonly path?: unknown; readonly syscall?: unknown };
  // Reads of connections fail too, so only errors without a connection's code are about a file.
  if (syscall === 'open' || errnoCode(root) === 'EISDIR') {
    const file = typeof path === 'string' ? plain(path) : 'a file of them';
    return new VarveError('denied', `${keys}; cannot read ${file}: ${systemReason(root)}`);
  }
  return networkError(root, server);
}

const isAbort = (cause: unknown): boolean => cause instanceof Error && cause.name === 'AbortError';

function withContext({ code, message, retryable }: VarveError, { what }: About, cause: unknown): VarveError {
  return new VarveError(code, `${what}: ${message}`, { cause, retryable });
}

/** The HTTP status of the answer; 0 without an answer. */
export function statusOf(cause: unknown): number {
  return failureOf(cause).status;
}

/** The region of the bucket, from the answer. */
export function regionIn(cause: unknown): string | undefined {
  const { status, headers, fields, name } = failureOf(cause);
  const elsewhere = status === 301 || status === 307 || ELSEWHERE.has(name);
  const region = headers['x-amz-bucket-region'] ?? fields['Region'];
  return elsewhere && typeof region === 'string' && /^[a-z0-9-]{1,64}$/.test(region) ? region : undefined;
}

const ELSEWHERE = new Set(['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException']);

function explain(failure: Failure, where: Where, about: About): VarveError | undefined {
  const { name, status } = failure;
  if (name.endsWith('ProviderError')) return noCredentials(failure, where, about);
  if (failure.status !== 0 && NOT_XML.test(failure.message)) return notS3(failure, where, about);
  const known = BY_NAME[name];
  if (known !== undefined) return known(failure, where, about);
  if (isFull(failure)) return full(failure, where, about);
  if (status === 301 || status === 307) return elsewhere(failure, where, about);
  if (status === 401 || status === 403) return refused(failure, where, about);
  if (status === 408 || status === 429 || status >= 500) return busy(failure, where, about);
  return undefined;
}

const again: Explain = ({ message }, { server }) =>
  new VarveError('storage', `${server} answered ${message}`, { retryable: true });

const busy: Explain = ({ name, status, message }, { server }) => {
  if (status === 501) return new VarveError('storage', `${server} cannot do that: ${message}`);
  const slow = status === 503 || status === 429 || name === 'SlowDown';
  const text = slow ? 'asks for fewer requests' : 'has an internal error';
  return new VarveError('storage', `${server} ${text} (${message})`, { retryable: true });
};

const refused: Explain = ({ message }, { bucket, server }, { permission }) =>
  new VarveError(
    'denied',
    `the key may not do that in the bucket ${bucket} of ${server} (${message}): is it your bucket? Its policy, or the key's, must allow ${permission}`,
  );

const full: Explain = ({ message }, { server }) =>
  new VarveError(
    'full',
    `${server} is full (${message}); the stored data is safe: raise the quota, or free some space, and run it again`,
  );

const elsewhere: Explain = (failure, { bucket, server }) => {
  const { fields, headers } = failure;
  const region = headers['x-amz-bucket-region'] ?? fields['Region'];
  const where = typeof region === 'string' ? `in the region ${plain(region)}: use -o s3.region=${plain(region)}` : '';
  const endpoint = typeof fields['Endpoint'] === 'string' ? `reached at ${plain(fields['Endpoint'])}` : 'elsewhere';
  return new VarveError('storage', `${server}: the bucket ${bucket} is ${where || endpoint}`);
};

const denied =
  (text: string): Explain =>
  ({ message }, { server }) =>
    new VarveError('denied', `${server} ${text} (${message})`);

const skewed: Explain = (failure, { server }) => {
  const ahead = clockAhead(failure);
  const much =
    ahead === undefined ? '' : `is ${duration(ahead)} ${ahead > 0 ? 'ahead' : 'behind'}, or that of ${server} is wrong`;
  return new VarveError('storage', `the clock of this machine ${much || `differs from that of ${server}`}: set it`, {
    // The SDK has learnt the difference, and signs the next request by the server's clock.
    retryable: true,
  });
};

const noBucket: Explain = (_, { bucket, server }) =>
  new VarveError('no-repository', `${server} has no bucket ${bucket}: is the name right? \`varve init\` makes it`);

const KEY_ID = denied('does not know the access key: is AWS_ACCESS_KEY_ID right, and of this provider?');
const SESSION = denied('rejects the session token: log in again, or renew AWS_SESSION_TOKEN');

const BY_NAME: Readonly<Record<string, Explain>> = {
  InvalidAccessKeyId: KEY_ID,
  InvalidClientTokenId: KEY_ID,
  SignatureDoesNotMatch: denied('says that the secret key does not match the access key: check AWS_SECRET_ACCESS_KEY'),
  ExpiredToken: SESSION,
  InvalidToken: SESSION,
  TokenRefreshRequired: SESSION,
  RequestTimeTooSkewed: skewed,
  RequestExpired: skewed,
  NoSuchBucket: noBucket,
  PermanentRedirect: elsewhere,
  TemporaryRedirect: elsewhere,
  AuthorizationHeaderMalformed: elsewhere,
  IllegalLocationConstraintException: elsewhere,
  InvalidStorageClass: ({ message }, { server }) =>
    new VarveError('usage', `${server} does not have the storage class of -o s3.storage-class (${message})`),
  InvalidObjectState: () =>
    new VarveError('denied', 'it is in an archive: restore it there first (S3 Glacier), and wait until that is done'),
  InvalidLocationConstraint: ({ message }, { server }) =>
    new VarveError('usage', `${server} has no such region (${message}): use -o s3.region=us-east-1, or its own`),
  InvalidBucketName: (_, { bucket, server }) =>
    new VarveError(
      'usage',
      `${server} rejects the bucket name ${bucket}: use 3 to 63 lower-case letters, digits, dots and hyphens`,
    ),
  BucketAlreadyExists: (_, { bucket, server }) =>
    new VarveError('denied', `the bucket ${bucket} of ${server} belongs to another account: choose another name`),
  // Errors with status 400 and 409 where a retry can help.
  RequestTimeout: again,
  IncompleteBody: again,
  BadDigest: again,
  XAmzContentSHA256Mismatch: again,
  OperationAborted: again,
  ConditionalRequestConflict: again,
  Throttling: again,
};

function isFull({ name, message, status }: Failure): boolean {
  return status === 507 || /quota|storagefull/i.test(name) || (status === 403 && /\bcap exceeded|quota/i.test(message));
}

const noCredentials: Explain = ({ message }, { keys }) => {
  const why = NO_PROVIDER.test(message) ? '' : ` (${message})`;
  return new VarveError('denied', `${keys}${why}`);
};

/** The SDK's message when it finds no keys, which says nothing more. */
const NO_PROVIDER = /could not load credentials from any providers/i;
/** The SDK's message when an answer is not XML. */
const NOT_XML = /@aws-sdk XML parse error|deserialization error/i;

/** Another kind of server, or a proxy. A retry may help when a busy proxy answered. */
const notS3: Explain = ({ status }, { server }) =>
  new VarveError('storage', `the server at ${server} (${status}) does not speak S3: is the location right?`, {
    retryable: status === 408 || status === 429 || (status >= 500 && status !== 501),
  });

/** The SDK also calls broken connections timeouts; those have a system error code. */
function idleTimeoutError(cause: unknown, { server }: Where): IdleTimeoutError | undefined {
  if (!(cause instanceof Error) || cause.name !== 'TimeoutError' || 'code' in cause) return undefined;
  const milliseconds = / (\d+) ms/.exec(cause.message)?.[1];
  return milliseconds === undefined ? undefined : new IdleTimeoutError(server, Number(milliseconds) / 1000);
}

const unexpected: Explain = ({ status, message }, { server }, { doubt }) => {
  if (status < 300)
    return new VarveError('storage', `the server at ${server} does not speak S3: is the location right?`);
  const advice = doubt === undefined ? '' : `; does it have ${doubt}?`;
  return new VarveError('storage', `${server} answered ${message}${advice}`);
};

/** Seconds. */
function clockAhead({ headers, fields }: Failure): number | undefined {
  const server = Date.parse(String(fields['ServerTime'] ?? headers['date'] ?? ''));
  return Number.isNaN(server) ? undefined : (Date.now() - server) / 1000;
}

function duration(seconds: number): string {
  const minutes = Math.round(Math.abs(seconds) / 60);
  if (minutes < 120) return `${minutes} min`;
  return minutes < 48 * 60 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / (24 * 60))} days`;
}

function failureOf(cause: unknown): Failure {
  const error = (typeof cause === 'object' && cause !== null ? cause : {}) as {
    readonly name?: unknown;
    readonly message?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: number };
    readonly $response?: { readonly statusCode?: number; readonly headers?: Record<string, string> };
  };
  const status = error.$response?.statusCode ?? error.$metadata?.httpStatusCode ?? 0;
  const name = plain(String(error.name || 'Unknown'));
  const text = plain(String(error.message ?? ''));
  return {
    name,
    status,
    message: status === 0 ? text : `${status} ${name}${text.startsWith('Unknown') ? '' : `: ${text}`}`,
    headers: error.$response?.headers ?? {},
    fields: error as Readonly<Record<string, unknown>>,
  };
}

/** A server's message on one line of limited length. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').slice(0, MAX_MESSAGE);
}

/** The system error inside an SDK error. */
function rootOf(cause: unknown): unknown {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : undefined;
  return inner !== undefined && 'code' in inner ? inner : cause;
}
