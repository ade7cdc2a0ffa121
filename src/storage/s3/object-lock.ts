// Object Lock: locks new objects and extends locks.
// prune decides which objects are in use.
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import {
  GetObjectLockConfigurationCommand,
  type PutObjectCommandInput,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3';
import { VarveError } from '../../errors/errors.js';
import { isForgotten, isLongEnough, longestPause } from '../lock-term.js';
import { type LockedType, type ObjectType, objectPath } from '../store.js';
import { type About, lookAt, s3Error, statusOf } from './errors.js';
import type { Keys } from './keys.js';
import type { S3Options } from './options.js';
import type { S3Requests } from './requests.js';

const HOUR = 3600;
const DAY = 24 * HOUR;
/** The error when a bucket has no Object Lock; servers without the feature reject the request. */
const NO_LOCK = 'ObjectLockConfigurationNotFoundError';
const UNKNOWN = new Set([405, 501]);

/** Which objects are locked, in which mode, and for how long. */
export interface LockTerms {
  readonly mode: S3Options['lockMode'];
  readonly seconds: number;
}

interface Parts {
  readonly terms: LockTerms;
  readonly requests: S3Requests;
  readonly keys: Keys;
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** Locks the objects of a bucket: until a time no user can remove or change them, with any keys. */
export class ObjectLock {
  readonly terms: LockTerms;
  readonly #requests: S3Requests;
  readonly #keys: Keys;
  #warn: ((text: string) => void) | undefined;
  #known: Promise<void> | undefined;

  constructor({ terms, requests, keys, onWarning }: Parts) {
    this.terms = terms;
    this.#requests = requests;
    this.#keys = keys;
    this.#warn = onWarning;
  }

  /**
   * Asks once whether the bucket has Object Lock, because some servers accept locks for buckets without it and ignore them. Where the key
   * may not ask, other servers refuse the first locked put.
   *
   * @throws VarveError `usage` when the bucket cannot lock
   */
  requireBucket(): Promise<void> {
    this.#known ??= this.#askBucket().catch((cause) => {
      this.#known = undefined;
      throw cause;
    });
    return this.#known;
  }

  /** The lock fields of a put; empty for types that are not locked. */
  async input(type: ObjectType, body: Buffer, sha256: string | undefined): Promise<Partial<PutObjectCommandInput>> {
    if (type === 'locks') return {};
    await this.requireBucket();
    return lockInput(this.terms, this.#requests.date, body, { sha256, amazon: this.#requests.amazon });
  }

  /** See Store.extend. An existing lock keeps its mode, because changing the mode needs a right of its own. */
  async extend(type: LockedType, name: string): Promise<number> {
    const requests = this.#requests;
    const path = objectPath(type, name);
    const key = this.#keys.of(type, name);
    const head = await requests.head(key, lookAt(path));
    if (head === undefined) throw new VarveError('not-found', `${path}: missing from ${requests.where.location}`);
    const now = requests.date;
    const before = secondsOf(head.ObjectLockRetainUntilDate);
    if (before !== undefined && isLongEnough(before, secondsOf(now), this.terms.seconds)) return before;
    await this.requireBucket();
    const until = lockedUntil(this.terms, now);
    const command = new PutObjectRetentionCommand({
      Bucket: requests.bucket,
      Key: key,
      Retention: { Mode: head.ObjectLockMode ?? this.terms.mode, RetainUntilDate: until },
    });
    const about: About = {
      what: `cannot lock ${path} for longer`,
      permission: 's3:PutObjectRetention and s3:GetObjectRetention',
    };
    await requests.send(about, (client, options) => client.send(command, options));
    return secondsOf(until);
  }

  /**
   * Every command reads `config`, and prune extends its lock with all others: a lock near its end shows that prune did not run.
   *
   * @param until the end of its lock, where the server reports it
   */
  noteConfig(until: Date | undefined): void {
    if (until === undefined) return;
    const { seconds } = this.terms;
    const left = secondsOf(until) - secondsOf(this.#requests.date);
    if (!isForgotten(left, 0, seconds)) return;
    this.#warn?.(
      `the locks of what is stored ${left > 0 ? `end in ${spanOf(left)}` : 'have ended'}: \`varve prune\` with --object-lock extends them; ` +
        `run it every ${spanOf(longestPause(seconds))}, or more often`,
    );
    this.#warn = undefined;
  }

  async #askBucket(): Promise<void> {
    const { bucket, where } = this.#requests;
    const about: About = {
      what: `cannot read the Object Lock configuration of the bucket ${bucket}`,
      permission: ASKING,
    };
    const command = new GetObjectLockConfigurationCommand({ Bucket: bucket });
    try {
      const answer = await this.#requests.attempt((client, options) => client.send(command, options));
      if (answer.ObjectLockConfiguration?.ObjectLockEnabled !== 'Enabled') throw this.#noLock();
    } catch (cause) {
      if (cause instanceof VarveError) throw cause;
      const { name } = cause as Error;
      if (name === 'AccessDenied') return;
      if (name === NO_LOCK || UNKNOWN.has(statusOf(cause))) throw this.#noLock(cause);
      throw s3Error(cause, about, where);
    }
  }

  #noLock(cause?: unknown): VarveError {
    const { bucket } = this.#requests;
    return new VarveError(
      'usage',
      `--object-lock: the bucket ${bucket} has no Object Lock: use one that has; \`varve init --object-lock\` makes a new one`,
      { cause },
    );
  }
}

const ASKING = 's3:GetBucketObjectLockConfiguration';

function secondsOf(time: Date): number;
function secondsOf(time: Date | undefined): number | undefined;
function secondsOf(time: Date | undefined): number | undefined {
  return time && time.getTime() / 1000;
}

/** The end of a lock that begins now. */
function lockedUntil({ seconds }: LockTerms, now: Date): Date {
  return new Date(now.getTime() + seconds * 1000);
}

const spanOf = (seconds: number): string =>
  seconds < 2 * DAY ? `${Math.floor(seconds / HOUR)} h` : `${Math.floor(seconds / DAY)} days`;

/**
 * The lock fields of a put. S3 requires a checksum for a locked object: Amazon accepts the SHA-256, which is the object's name.
 *
 * @param sha256 lower-case hex, where it is known
 */
export function lockInput(
  terms: LockTerms,
  now: Date,
  body: Buffer,
  { sha256, amazon }: { readonly sha256: string | undefined; readonly amazon: boolean },
): Partial<PutObjectCommandInput> {
  return {
    ObjectLockMode: terms.mode,
    ObjectLockRetainUntilDate: lockedUntil(terms, now),
    ...(amazon && sha256 !== undefined
      ? { ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64') }
      : { ContentMD5: createHash('md5').update(body).digest('base64') }),
  };
}
