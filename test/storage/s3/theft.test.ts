import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  type ObjectVersion,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Playground } from '../../cli/varve.js';
import { CEPH_MISSING, type CephServer, startCeph } from '../../servers/ceph.js';
import { S3Proxy } from './proxy.js';
import { rawClient } from './raw.js';

const BUCKET = 'locked';
const PATH = 'host';
const DAY = 24 * 3600_000;

interface Pruned {
  readonly packfiles: { readonly deleted: number; readonly condemned: number };
  readonly locked_objects: number;
  readonly locked_until: string;
}

describe('a repository with Object Lock', { skip: CEPH_MISSING }, () => {
  const place = new Playground();
  const source = place.files('source', { large: randomBytes(6_000_000), small: 'small' });
  let ceph: CephServer;
  let proxy: S3Proxy;
  let raw: S3Client;
  before(async () => {
    ceph = await startCeph();
    proxy = await S3Proxy.start(ceph);
    raw = rawClient(ceph);
    place.env.AWS_ACCESS_KEY_ID = ceph.user.accessKeyId;
    place.env.AWS_SECRET_ACCESS_KEY = ceph.user.secretAccessKey;
    place.env.VARVE_REPOSITORY = `s3:${proxy.endpoint}/${BUCKET}/${PATH}`;
  });
  after(async () => {
    raw?.destroy();
    proxy?.stop();
    await ceph?.stop();
  });

  async function versions(): Promise<ObjectVersion[]> {
    const { Versions = [] } = await raw.send(new ListObjectVersionsCommand({ Bucket: BUCKET, Prefix: `${PATH}/` }));
    return Versions;
  }

  /** For how many days what is there is locked, about, by the last part of its key. */
  async function locks(): Promise<Map<string, number>> {
    const days = new Map<string, number>();
    for (const { Key = '', IsLatest } of await versions()) {
      if (IsLatest !== true || Key.includes('/locks/')) continue;
      const { ObjectLockRetainUntilDate: until } = await raw.send(new HeadObjectCommand({ Bucket: BUCKET, Key }));
      days.set(Key.slice(Key.lastIndexOf('/') + 1), Math.round(((until?.getTime() ?? 0) - Date.now()) / DAY));
    }
    return days;
  }

  /** What a prune asks for to lock, but for lists. */
  async function prune(...args: string[]): Promise<Pruned & { readonly looked: number; readonly extended: number }> {
    proxy.seen.length = 0;
    const summary = await place.json<Pruned>(['prune', ...args]);
    const count = (method: string, parameter?: string): number =>
      proxy.seen.filter((each) => each.method === method && (parameter === undefined || each.query.has(parameter)))
        .length;
    return { ...summary, looked: count('HEAD'), extended: count('PUT', 'retention') };
  }

  /** Of a directory that was restored, what is as it was. */
  const large = (directory: string): Buffer => readFileSync(join(directory, source, 'large'));

  const contents: Buffer[] = [];
  let attacked = '';

  test('a prune extends the locks of what stays, not of what it condemns, with few requests', async () => {
    const lock = ['--object-lock', '1d'];
    await place.ok(['init', ...lock]);
    contents.push(readFileSync(join(source, 'large')));
    const first = await place.backup(source, ...lock);
    writeFileSync(join(source, 'large'), randomBytes(5_000_000));
    contents.push(readFileSync(join(source, 'large')));
    await place.backup(source, ...lock);
    for (const [name, days] of await locks()) assert.equal(days, 1, name);
    await place.ok(['forget', first]);

    const before = await locks();
    place.env.VARVE_OBJECT_LOCK = '30d';
    const pruned = await prune('--max-unused', '0');
    assert.ok(pruned.packfiles.condemned > 0);
    const now = await locks();
    const short = [...now].filter(([, days]) => days !== 30);
    assert.equal(short.length, pruned.packfiles.condemned, JSON.stringify([...now]));
    for (const [name, days] of short) assert.deepEqual([before.get(name), days], [1, 1], name);
    assert.equal(pruned.locked_objects, now.size - short.length);
    assert.equal(pruned.looked, pruned.locked_objects);
    // What this prune has put is locked for as long already.
    assert.equal(pruned.extended, [...before.keys()].filter((name) => now.get(name) === 30).length);
    assert.ok(Math.abs(Date.parse(pruned.locked_until) - Date.now() - 30 * DAY) < DAY / 2, pruned.locked_until);

    const again = await prune();
    assert.deepEqual([again.extended, again.locked_objects], [0, pruned.locked_objects]);
    assert.equal(again.looked, 0);
    assert.deepEqual(await locks(), now);
  });

  test('a run with a longer term than the locks warns, even when quiet', async () => {
    const warning = /the locks of what is stored end in (29|30) days: `varve prune` with --object-lock extends them/;
    const { out, err } = await place.ok(['check', '--quiet', '--object-lock', '1y']);
    assert.equal(out, '');
    assert.match(err, new RegExp(`^Warning: ${warning.source}.*\n$`));
    const json = await place.ok(['snapshots', '--json', '--object-lock', '1y']);
    assert.equal(JSON.parse(json.err).message_type, 'warning');
    assert.match(JSON.parse(json.err).message, warning);
    assert.equal((await place.ok(['snapshots'])).err, '');
  });

  test('objects that a prune deleted are visible in the past', async () => {
    const then = new Date().toISOString();
    await sleep(1100);
    const { packfiles } = await prune('--grace', '0');
    assert.ok(packfiles.deleted > 0);
    const past = ['-o', `s3.versions-at=${then}`];
    await place.ok(['check', '--read-data']);
    await place.ok([...past, 'check', '--read-data']);
    const hidden = (await versions()).filter(({ IsLatest, Key }) => IsLatest === false && Key?.includes('/data/'));
    assert.ok(hidden.length >= packfiles.deleted);
    for (const { Key, VersionId } of hidden)
      await assert.rejects(raw.send(new DeleteObjectCommand({ Bucket: BUCKET, Key, VersionId })), {
        name: 'AccessDenied',
      });
  });

  test('a restore from the past works after a thief forgot, pruned and deleted', async () => {
    attacked = new Date().toISOString();
    await sleep(1100);
    const thief = { env: { VARVE_OBJECT_LOCK: undefined, XDG_CACHE_HOME: place.path('thief') } };
    await place.ok(['forget', 'latest', '--prune', '--grace', '0'], thief);
    for (const { Key, VersionId, LastModified } of await versions()) {
      if (Key?.includes('/locks/') || Number(LastModified) > Date.parse(attacked)) continue;
      await assert.rejects(raw.send(new DeleteObjectCommand({ Bucket: BUCKET, Key, VersionId })), {
        name: 'AccessDenied',
      });
      await raw.send(new DeleteObjectCommand({ Bucket: BUCKET, Key }));
    }
    assert.equal((await place.run(['snapshots'])).code, 10);
    const past = ['-o', `s3.versions-at=${attacked}`];
    await place.ok([...past, 'check', '--read-data']);
    await place.ok([...past, 'restore', 'latest', '--target', place.path('restored')]);
    assert.deepEqual(large(place.path('restored')), contents[1]);
  });

  test('a copy from the past makes a new repository, in S3 too', async () => {
    const past = ['-o', `s3.versions-at=${attacked}`, '--from-repo', place.env.VARVE_REPOSITORY as string];
    const options = {
      env: { VARVE_REPOSITORY: `s3:${proxy.endpoint}/fresh`, VARVE_FROM_KEY_FILE: place.env.VARVE_KEY_FILE },
    };
    await place.ok(['init', ...past, '--copy-chunker-params'], options);
    await place.ok(['copy', ...past], options);
    rmSync(place.path('restored'), { recursive: true });
    await place.ok(['restore', 'latest', '--target', place.path('restored')], options);
    assert.deepEqual(large(place.path('restored')), contents[1]);

    const local = ['--repo', place.path('local')];
    const unlocked = { env: { VARVE_OBJECT_LOCK: undefined } };
    await place.ok([...local, 'init'], unlocked);
    await place.ok([...local, 'backup', source], unlocked);
    const { out } = await place.ok(['copy', '--from-repo', place.path('local')], options);
    assert.match(out, /copied 1 snapshot/);
  });
});
