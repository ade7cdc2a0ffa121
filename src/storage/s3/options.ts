// Parses the options of `-o s3.NAME=VALUE`.
// client.ts and s3-store.ts use them.
import { VarveError } from '../../errors/errors.js';
import { refuseUnknown } from '../extended-options.js';

/** The options of `-o s3.NAME=VALUE`. */
export interface S3Options {
  /** Whether the bucket is in the host name or in the path. */
  readonly bucketLookup: 'auto' | 'dns' | 'path';
  readonly region: string | undefined;
  /** Concurrent requests. */
  readonly connections: number | undefined;
  /** The storage class of packs. */
  readonly storageClass: string | undefined;
  readonly listObjectsV1: boolean;
  readonly lockMode: 'COMPLIANCE' | 'GOVERNANCE';
  /** Read the bucket as it was at this time. */
  readonly versionsAt: Date | undefined;
}

/** @throws VarveError `usage` */
export function readOptions(extended: ReadonlyMap<string, string>): S3Options {
  refuseUnknown(extended, 's3', Object.keys(READERS));
  const read = <T>(name: string, reader: (value: string, option: string) => T): T | undefined => {
    const value = extended.get(`s3.${name}`);
    return value === undefined ? undefined : reader(value, `-o s3.${name}`);
  };
  return {
    bucketLookup: read('bucket-lookup', READERS['bucket-lookup']) ?? 'auto',
    region: read('region', READERS.region),
    connections: read('connections', READERS.connections),
    storageClass: read('storage-class', READERS['storage-class']),
    listObjectsV1: read('list-objects-v1', READERS['list-objects-v1']) ?? false,
    lockMode: read('object-lock-mode', READERS['object-lock-mode']) ?? 'COMPLIANCE',
    versionsAt: read('versions-at', READERS['versions-at']),
  };
}

type Reader<T> = (value: string, option: string) => T;

const READERS = {
  'bucket-lookup': oneOf('auto', 'dns', 'path'),
  region: nonEmpty,
  connections: readNumber,
  'storage-class': (value: string, option: string) => nonEmpty(value, option).toUpperCase(),
  'list-objects-v1': (value: string, option: string) => oneOf('true', 'false')(value, option) === 'true',
  'object-lock-mode': (value: string, option: string) =>
    oneOf('compliance', 'governance')(value, option) === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE',
  'versions-at': readTime,
} as const satisfies Record<string, Reader<unknown>>;

function oneOf<const T extends string>(...values: readonly T[]): Reader<T> {
  return (value, option) => {
    const found = values.find((each) => each === value.toLowerCase());
    if (found === undefined) throw new VarveError('usage', `${option}=${value}: must be ${values.join(' or ')}`);
    return found;
  };
}

function nonEmpty(value: string, option: string): string {
  if (value === '') throw new VarveError('usage', `${option}: a value is missing`);
  return value;
}

function readNumber(value: string, option: string): number {
  if (!/^[1-9]\d{0,2}$/.test(value))
    throw new VarveError('usage', `${option}=${value}: must be a number from 1 to 999`);
  return Number(value);
}

function readTime(value: string, option: string): Date {
  const time = new Date(
    value
      .trim()
      .replace(/^(\d{4}-\d\d-\d\d)$/, '$1T00:00:00')
      .replace(' ', 'T'),
  );
  if (!/^\d{4}-/.test(value.trim()) || Number.isNaN(time.getTime()))
    throw new VarveError('usage', `${option}=${value}: must be a time, as 2026-01-31T12:00:00Z`);
  return time;
}
