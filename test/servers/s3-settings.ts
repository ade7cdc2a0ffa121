import { IDLE_TIMEOUT_SECONDS, type StoreSettings } from '../../src/storage/settings.js';
import type { Credentials } from './ceph.js';

/** How a store of S3 is reached with a user's keys. @param extended of `-o s3.NAME=VALUE` */
export function s3Settings(
  { accessKeyId, secretAccessKey }: Credentials,
  extended: Readonly<Record<string, string>> = {},
  more: Partial<StoreSettings> = {},
): StoreSettings {
  return {
    environment: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
    extended: new Map(Object.entries(extended).map(([name, value]) => [`s3.${name}`, value])),
    idleTimeoutSeconds: IDLE_TIMEOUT_SECONDS,
    retrySeconds: 0,
    ...more,
  };
}
