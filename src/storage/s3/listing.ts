// Lists objects and versions, page by page.
// keys.ts turns keys into names.
import {
  ListObjectsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  ListObjectVersionsCommand,
} from '@aws-sdk/client-s3';
import { VarveError } from '../../errors/errors.js';
import type { ObjectType } from '../store.js';
import type { About } from './errors.js';
import { decodeKey } from './keys.js';
import type { S3Requests } from './requests.js';

/** An object or a version of one in a listing. */
export interface Listed {
  readonly Key?: string | undefined;
  readonly Size?: number | undefined;
  readonly LastModified?: Date | undefined;
}

export interface ListedVersion extends Listed {
  readonly VersionId?: string | undefined;
  /** Whether it is the current version. */
  readonly IsLatest?: boolean | undefined;
  readonly removed: boolean;
}

/** A page, and the start of the next one; undefined at the end. */
interface Page<T, Next> {
  readonly entries: readonly T[];
  readonly next: Next | undefined;
}

const about = (type: ObjectType, permission: string): About => ({ what: `cannot list ${type}/`, permission });

/** All objects of a type, 1,000 a request. */
export function listObjects(
  requests: S3Requests,
  type: ObjectType,
  prefix: string,
  old: boolean,
): AsyncIterable<Listed> {
  const input = { Bucket: requests.bucket, Prefix: prefix, EncodingType: 'url' } satisfies ListObjectsV2CommandInput;
  const doing = about(type, 's3:ListBucket');
  const page = (next: string | undefined): Promise<Page<Listed, string>> =>
    requests.send(doing, async (client, options) => {
      const command = new ListObjectsV2Command({ ...input, ...(next !== undefined && { ContinuationToken: next }) });
      const { Contents = [], IsTruncated, NextContinuationToken } = await client.send(command, options);
      return { entries: Contents, next: IsTruncated ? (NextContinuationToken ?? '') : undefined };
    });
  const oldPage = (next: string | undefined): Promise<Page<Listed, string>> =>
    requests.send(doing, async (client, options) => {
      const command = new ListObjectsCommand({ ...input, ...(next !== undefined && { Marker: next }) });
      const { Contents = [], IsTruncated } = await client.send(command, options);
      return { entries: Contents, next: IsTruncated ? decodeKey(Contents.at(-1)?.Key ?? '') : undefined };
    });
  return pages(type, old ? oldPage : page);
}

/** All versions of all objects of a type, including removed objects. */
export function listVersions(requests: S3Requests, type: ObjectType, prefix: string): AsyncIterable<ListedVersion> {
  const input = { Bucket: requests.bucket, Prefix: prefix, EncodingType: 'url' } as const;
  return pages(type, (next: { KeyMarker: string; VersionIdMarker: string } | undefined) =>
    requests.send(about(type, 's3:ListBucketVersions'), async (client, options) => {
      const output = await client.send(new ListObjectVersionsCommand({ ...input, ...next }), options);
      const { Versions = [], DeleteMarkers = [], IsTruncated, NextKeyMarker = '', NextVersionIdMarker = '' } = output;
      const entries = [
        ...Versions.map((each) => ({ ...each, removed: false })),
        ...DeleteMarkers.map((each) => ({ ...each, removed: true })),
      ];
      const marker = { KeyMarker: decodeKey(NextKeyMarker), VersionIdMarker: NextVersionIdMarker };
      return { entries, next: IsTruncated ? marker : undefined };
    }),
  );
}

async function* pages<T, Next>(
  type: ObjectType,
  load: (next: Next | undefined) => Promise<Page<T, Next>>,
): AsyncIterable<T> {
  for (let next: Next | undefined, seen = ''; ; ) {
    const page = await load(next);
    yield* page.entries;
    if (page.next === undefined) return;
    next = page.next;
    const mark = JSON.stringify(next);
    if (mark === seen) throw new VarveError('storage', `cannot list ${type}/: the server’s listing does not end`);
    seen = mark;
  }
}
