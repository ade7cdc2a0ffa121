import { maskedLocation } from '../masked.js';
import type { StoreSettings } from '../settings.js';
import type { Store } from '../store.js';
import { connect } from './client.js';
import { Keys } from './keys.js';
import { parseLocation } from './location.js';
import { ObjectLock } from './object-lock.js';
import { readOptions } from './options.js';
import { PastStore } from './past-store.js';
import { S3Requests } from './requests.js';
import { S3Store } from './s3-store.js';

/** Concurrent requests. */
const CONNECTIONS = 5;

/**
 * Opens a repository in S3 or on a compatible server.
 *
 * @param rest the location after `s3:`
 * @throws VarveError `usage`
 */
export async function openS3(rest: string, settings: StoreSettings): Promise<Store> {
  const parsed = parseLocation(rest);
  const options = readOptions(settings.extended);
  const connections = options.connections ?? settings.connections ?? CONNECTIONS;
  const location = maskedLocation(`s3:${rest}`);
  const requests = new S3Requests(location, parsed.bucket, connect(parsed, options, settings, connections), settings);
  const keys = new Keys(parsed.prefix);
  const parts = { location, requests, keys, options, connections };
  const { versionsAt, lockMode: mode } = options;
  if (versionsAt !== undefined) return new PastStore({ ...parts, at: versionsAt });
  const { lockSeconds: seconds, onWarning } = settings;
  const lock =
    seconds === undefined ? undefined : new ObjectLock({ terms: { mode, seconds }, requests, keys, onWarning });
  return new S3Store({ ...parts, lock });
}
