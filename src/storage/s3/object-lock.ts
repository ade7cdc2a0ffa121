import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import type { ObjectType } from '../store.js';
import type { S3Options } from './options.js';

/** Of the time for which objects are locked: what stays locked for longer than this is not locked anew. */
const ENOUGH = 0.75;

/** How objects are locked: nobody can remove or change them before a time, whatever keys they have. */
export interface ObjectLock {
  readonly mode: S3Options['lockMode'];
  readonly seconds: number;
}

export function objectLockOf({ lockMode: mode, lockSeconds: seconds }: S3Options): ObjectLock | undefined {
  return seconds === undefined ? undefined : { mode, seconds };
}

/** Leases come and go; all else is needed. */
export const isLockable = (type: ObjectType): boolean => type !== 'locks';

/** Until when what is locked now stays so. */
export function lockedUntil({ seconds }: ObjectLock, now: Date): Date {
  return new Date(now.getTime() + seconds * 1000);
}

/** Whether what is locked until then need not be locked anew now. */
export function isLongEnough({ seconds }: ObjectLock, until: Date, now: Date): boolean {
  return until.getTime() - now.getTime() >= seconds * 1000 * ENOUGH;
}

/**
 * What a put says of the lock. S3 demands a checksum of what is locked: Amazon takes the SHA-256, which is the object's name.
 *
 * @param sha256 lower-case hex, where it is known
 */
export function lockInput(
  lock: ObjectLock,
  now: Date,
  body: Buffer,
  { sha256, amazon }: { readonly sha256: string | undefined; readonly amazon: boolean },
): Partial<PutObjectCommandInput> {
  return {
    ObjectLockMode: lock.mode,
    ObjectLockRetainUntilDate: lockedUntil(lock, now),
    ...(amazon && sha256 !== undefined
      ? { ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64') }
      : { ContentMD5: createHash('md5').update(body).digest('base64') }),
  };
}
