// Reads an object or a range of it, into the caller's buffer.
// requests.ts makes the requests.
import { Buffer } from 'node:buffer';
import type { Readable } from 'node:stream';
import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { VarveError } from '../../errors/errors.js';
import type { Range } from '../store.js';
import { type About, s3Error, statusOf } from './errors.js';
import type { S3Requests } from './requests.js';

/** The object or range to read. */
export interface Wanted {
  readonly key: string;
  /** The name in errors: "data/abcd…". */
  readonly path: string;
  readonly version?: string | undefined;
  readonly range?: Range | undefined;
  readonly into?: Buffer | undefined;
  /** Receives the end of its lock, where the server reports it. */
  readonly onLock?: ((until: Date | undefined) => void) | undefined;
}

/** @throws VarveError `not-found`; `damaged` when it is shorter than the range */
export async function readObject(requests: S3Requests, wanted: Wanted): Promise<Buffer> {
  const { path, range, into } = wanted;
  const about: About = { what: `cannot read ${path}`, permission: 's3:GetObject' };
  if (range?.length === 0) return readNothing(requests, wanted, range, about);
  try {
    const output = await ask(requests, wanted);
    wanted.onLock?.(output.ObjectLockRetainUntilDate);
    return await readBody(output.Body as Readable, expected(output, range, path), into);
  } catch (cause) {
    if (cause instanceof VarveError) throw cause;
    if (isMissing(cause)) throw missing(requests, path);
    if (statusOf(cause) === 416) throw truncated(path);
    throw s3Error(cause, about, requests.where);
  }
}

function ask(requests: S3Requests, { key, version, range }: Wanted): Promise<GetObjectCommandOutput> {
  const command = new GetObjectCommand({
    Bucket: requests.bucket,
    Key: key,
    ...(version !== undefined && { VersionId: version }),
    ...(range !== undefined && { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
  });
  return requests.attempt((client, options) => client.send(command, options));
}

/** A missing bucket has an internal error. */
function isMissing(cause: unknown): boolean {
  return statusOf(cause) === 404 && (cause as Error).name !== 'NoSuchBucket';
}

/** The length of the body; undefined when the server does not report it. */
function expected(output: GetObjectCommandOutput, range: Range | undefined, path: string): number | undefined {
  const { ContentLength: length, ContentRange } = output;
  if (range === undefined) return length;
  if (ContentRange === undefined) {
    (output.Body as Readable).destroy();
    throw new VarveError('storage', `${path}: the server does not support ranges`);
  }
  if (length === undefined || length >= range.length) return range.length;
  (output.Body as Readable).destroy();
  throw truncated(path);
}

const missing = ({ where }: S3Requests, path: string): VarveError =>
  new VarveError('not-found', `${path}: missing from ${where.location}`);

const truncated = (path: string): VarveError => new VarveError('damaged', `${path}: truncated; run \`varve check\``);

/** HTTP has no empty range. */
async function readNothing(requests: S3Requests, { key, path }: Wanted, range: Range, about: About): Promise<Buffer> {
  const head = await requests.head(key, about);
  if (head === undefined) throw missing(requests, path);
  if ((head.ContentLength ?? 0) < range.offset) throw truncated(path);
  return Buffer.alloc(0);
}

/** Reads the body up to the given length, into the given buffer where it fits. */
async function readBody(body: Readable, length: number | undefined, into: Buffer | undefined): Promise<Buffer> {
  if (length === undefined) return collect(body);
  const fits = into !== undefined && into.length >= length;
  const target = fits ? into.subarray(0, length) : Buffer.allocUnsafeSlow(length);
  let at = 0;
  await drain(body, (bytes) => {
    bytes.copy(target, at, 0, Math.min(bytes.length, length - at));
    at += bytes.length;
  });
  if (at !== length) throw cutShort();
  return target;
}

async function collect(body: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  await drain(body, (bytes) => parts.push(bytes));
  return Buffer.concat(parts);
}

/** Uses events, because an iterator makes a promise for each 64 KiB. */
function drain(body: Readable, onBytes: (bytes: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    body.on('data', onBytes);
    body.once('end', resolve);
    body.once('error', reject);
    body.once('close', () => reject(cutShort()));
  });
}

const cutShort = (): Error => Object.assign(new Error('the answer ended early'), { code: 'ECONNRESET' });
