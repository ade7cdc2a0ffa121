// A store in an S3 bucket.
// Retries are the guards'; reading.ts and listing.ts do the long parts.
import { Buffer } from 'node:buffer';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3';
import { VarveError } from '../../errors/errors.js';
import {
  type Advice,
  type LockedType,
  type ObjectInfo,
  type ObjectType,
  objectPath,
  type Range,
  type Store,
} from '../store.js';
import { type About, lookAt, s3Error, statusOf } from './errors.js';
import type { Keys } from './keys.js';
import { listObjects } from './listing.js';
import type { ObjectLock } from './object-lock.js';
import type { S3Options } from './options.js';
import { readObject } from './reading.js';
import type { S3Requests } from './requests.js';

/** Storage classes whose objects cannot be read at once: only file contents may use them. */
const ARCHIVES = new Set(['GLACIER', 'DEEP_ARCHIVE']);

export interface S3StoreParts {
  readonly location: string;
  readonly requests: S3Requests;
  readonly keys: Keys;
  readonly options: S3Options;
  readonly connections: number;
  /** Locks new objects, with --object-lock. */
  readonly lock: ObjectLock | undefined;
}

/** Options of a put. */
interface Putting {
  /** Fails when the object exists. */
  readonly fresh: boolean;
  /** Lower-case hex SHA-256 of the body, where it is known. */
  readonly sha256?: string;
  readonly advice?: Advice | undefined;
}

/**
 * A repository in an S3 bucket, with the layout of a directory. Each object is one request: packs are far smaller than S3's limit of 5 GiB,
 * so there are no multipart uploads.
 */
export class S3Store implements Store {
  readonly location: string;
  readonly connections: number;
  readonly lockSeconds: number | undefined;
  readonly extend: Store['extend'];
  readonly #requests: S3Requests;
  readonly #keys: Keys;
  readonly #options: S3Options;
  readonly #lock: ObjectLock | undefined;
  /** Whether the server supports `If-None-Match`, as far as is known. */
  #conditional = true;

  constructor({ location, requests, keys, options, connections, lock }: S3StoreParts) {
    this.location = location;
    this.connections = connections;
    this.#requests = requests;
    this.#keys = keys;
    this.#options = options;
    this.#lock = lock;
    this.lockSeconds = lock?.terms.seconds;
    this.extend = lock && ((type: LockedType, name: string) => lock.extend(type, name));
  }

  /** Makes the bucket unless it exists, or the key may not find out. */
  async create(): Promise<void> {
    const about: About = { what: `cannot make the bucket ${this.#requests.bucket}`, permission: 's3:CreateBucket' };
    if ((await this.#requests.hasBucket(about)) !== false) return this.#lock?.requireBucket();
    const command = new CreateBucketCommand({
      Bucket: this.#requests.bucket,
      ...(this.#lock !== undefined && { ObjectLockEnabledForBucket: true }),
    });
    try {
      await this.#requests.attempt((client, options) => client.send(command, options));
    } catch (cause) {
      if ((cause as Error).name !== 'BucketAlreadyOwnedByYou') throw s3Error(cause, about, this.#requests.where);
    }
  }

  async put(type: ObjectType, name: string, parts: readonly Uint8Array[], advice?: Advice): Promise<void> {
    const body = bodyOf(parts);
    if (type === 'config') return this.#putConfig(body);
    try {
      await this.#put(type, name, body, { fresh: true, sha256: name, advice });
    } catch (cause) {
      if (!(cause instanceof VarveError) || cause.code !== 'exists') throw cause;
      const there = await this.stat(type, name);
      if (there?.size !== body.length) await this.#put(type, name, body, { fresh: false, sha256: name, advice });
      else if (type !== 'locks') await this.extend?.(type, name);
    }
  }

  /** Computes the hash here instead of trusting the caller. */
  async replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    await this.#put(type, name, bodyOf(parts), { fresh: false });
  }

  get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer> {
    const key = this.#keys.of(type, name);
    const onLock = type === 'config' ? (until: Date | undefined) => this.#lock?.noteConfig(until) : undefined;
    return readObject(this.#requests, { key, path: objectPath(type, name), range, into: advice?.into, onLock });
  }

  async stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    const about = lookAt(objectPath(type, name));
    const head = await this.#requests.head(this.#keys.of(type, name), about);
    return head && { name, size: head.ContentLength ?? 0, ...modified(head.LastModified) };
  }

  async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    const { listObjectsV1 } = this.#options;
    for await (const { Key, Size = 0, LastModified } of listObjects(
      this.#requests,
      type,
      this.#keys.under(type),
      listObjectsV1,
    )) {
      const name = this.#keys.nameOf(type, Key);
      if (name !== undefined) yield { name, size: Size, ...modified(LastModified) };
    }
  }

  async remove(type: ObjectType, name: string): Promise<void> {
    const about: About = { what: `cannot remove ${objectPath(type, name)}`, permission: 's3:DeleteObject' };
    const command = new DeleteObjectCommand({ Bucket: this.#requests.bucket, Key: this.#keys.of(type, name) });
    await this.#requests.send(about, (client, options) => client.send(command, options));
  }

  now(): Promise<number> {
    return this.#requests.now(this.#keys.of('config', 'config'), lookAt('config'));
  }

  async close(): Promise<void> {
    this.#requests.close();
  }

  /** Some servers ignore `If-None-Match`, so check first. When the answer to a put was lost, the existing object is ours. */
  async #putConfig(body: Buffer): Promise<void> {
    if ((await this.stat('config', 'config')) === undefined) {
      try {
        return await this.#put('config', 'config', body, { fresh: true });
      } catch (cause) {
        if (!(cause instanceof VarveError) || cause.code !== 'exists') throw cause;
      }
    }
    const there = await this.get('config', 'config');
    if (!there.equals(body)) throw new VarveError('exists', `config already exists in ${this.location}`);
  }

  async #put(type: ObjectType, name: string, body: Buffer, how: Putting): Promise<void> {
    const about = this.#aboutPut(type, name);
    const conditional = how.fresh && this.#conditional;
    try {
      await this.#attemptPut(type, name, body, how, conditional);
    } catch (cause) {
      if (!conditional || !isUnknownCondition(cause)) throw this.#putError(cause, about);
      await this.#attemptPut(type, name, body, how, false).catch((second) => {
        throw this.#putError(second, about);
      });
      this.#conditional = false;
    }
  }

  async #attemptPut(type: ObjectType, name: string, body: Buffer, how: Putting, conditional: boolean): Promise<void> {
    const { sha256 } = how;
    const command = new PutObjectCommand({
      Bucket: this.#requests.bucket,
      Key: this.#keys.of(type, name),
      Body: body,
      ...(conditional && { IfNoneMatch: '*' }),
      ...this.#storageClass(type, how),
      ...(await this.#lock?.input(type, body, sha256)),
    });
    if (sha256 !== undefined) signWith(command, sha256);
    await this.#requests.attempt((client, options) => client.send(command, options));
  }

  #aboutPut(type: ObjectType, name: string): About {
    const { storageClass } = this.#options;
    const lock = this.#lock && `Object Lock switched on for the bucket ${this.#requests.bucket}`;
    const doubt = [storageClass && `the storage class ${storageClass}`, lock].filter(Boolean).join(', and ');
    const permission = lock === undefined ? 's3:PutObject' : 's3:PutObject and s3:PutObjectRetention';
    return { what: `cannot write ${objectPath(type, name)}`, permission, doubt: doubt || undefined };
  }

  #putError(cause: unknown, about: About): VarveError {
    if (statusOf(cause) === 412) return new VarveError('exists', `${about.what}: it already exists`, { cause });
    return s3Error(cause, about, this.#requests.where);
  }

  #storageClass(type: ObjectType, { fresh, advice }: Putting): Pick<PutObjectCommandInput, 'StorageClass'> {
    const { storageClass } = this.#options;
    if (storageClass === undefined || type !== 'data') return {};
    const isTree = advice?.keep === true || !fresh;
    if (isTree && ARCHIVES.has(storageClass)) return {};
    return { StorageClass: storageClass as NonNullable<PutObjectCommandInput['StorageClass']> };
  }
}

/** Signs with a known hash: the SDK computes none, and the server refuses a body with another hash. */
function signWith(command: PutObjectCommand, sha256: string): void {
  command.middlewareStack.add(
    (next) => (args) => {
      (args.request as { headers: Record<string, string> }).headers['x-amz-content-sha256'] = sha256;
      return next(args);
    },
    { step: 'build', name: 'varveSha256' },
  );
}

/** A single part, the usual case, is sent without a copy, even from shared memory. */
function bodyOf(parts: readonly Uint8Array[]): Buffer {
  const [first] = parts;
  if (parts.length !== 1 || first === undefined) return Buffer.concat(parts);
  return Buffer.from(first.buffer, first.byteOffset, first.byteLength);
}

/** Whether the server may have refused the condition itself. */
function isUnknownCondition(cause: unknown): boolean {
  const status = statusOf(cause);
  return status === 501 || (status === 400 && UNKNOWN_CONDITION.has((cause as Error).name));
}

const UNKNOWN_CONDITION = new Set(['NotImplemented', 'InvalidArgument', 'InvalidRequest', 'UnsupportedHeader']);

function modified(time: Date | undefined): Pick<ObjectInfo, 'modified'> {
  return time === undefined ? {} : { modified: time.getTime() / 1000 };
}
