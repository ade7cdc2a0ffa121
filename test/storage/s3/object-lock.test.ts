import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectVersionsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { check } from '../../../src/check/check.js';
import { openRepository } from '../../../src/repository/opening/open.js';
import { lockInput } from '../../../src/storage/s3/object-lock.js';
import { openS3 } from '../../../src/storage/s3/open.js';
import type { StoreSettings } from '../../../src/storage/settings.js';
import type { ObjectType, Store } from '../../../src/storage/store.js';
import { PASSWORD, Sandbox } from '../../backup/sandbox.js';
import { isVarveError } from '../../errors/expect-error.js';
import { CEPH_MISSING, type CephServer, startCeph } from '../../servers/ceph.js';
import { s3Settings } from '../../servers/s3-settings.js';
import { names, object } from '../conformance.js';
import { S3Proxy } from './proxy.js';
import { rawClient } from './raw.js';

const BUCKET = 'locked';
const DAY_SECONDS = 24 * 3600;
const DAY = DAY_SECONDS * 1000;
type Locking = Store & { readonly extend: NonNullable<Store['extend']> };
const LOCKED: readonly ObjectType[] = ['keys', 'data', 'index', 'snapshots'];

test('a locked put has the checksum that S3 requires', () => {
  const lock = { mode: 'COMPLIANCE', seconds: 3600 } as const;
  const { name, bytes } = object(10);
  const now = new Date('2026-01-31T12:00:00Z');
  const locked = { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: new Date('2026-01-31T13:00:00Z') };
  const ChecksumSHA256 = createHash('sha256').update(bytes).digest('base64');
  const ContentMD5 = createHash('md5').update(bytes).digest('base64');
  assert.deepEqual(lockInput(lock, now, bytes, { sha256: name, amazon: true }), { ...locked, ChecksumSHA256 });
  assert.deepEqual(lockInput(lock, now, bytes, { sha256: undefined, amazon: true }), { ...locked, ContentMD5 });
  assert.deepEqual(lockInput(lock, now, bytes, { sha256: name, amazon: false }), { ...locked, ContentMD5 });
});

describe('Object Lock, by a real server', { skip: CEPH_MISSING }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'varve-lock-'));
  const stores: Store[] = [];
  let ceph: CephServer;
  let thief: S3Client;
  let number = 0;
  before(async () => {
    ceph = await startCeph();
    thief = rawClient(ceph);
  });
  after(async () => {
    await Promise.all(stores.map((store) => store.close()));
    thief?.destroy();
    await ceph?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  async function open(
    path: string,
    extended: Record<string, string>,
    more: Partial<StoreSettings> = {},
    bucket = BUCKET,
  ): Promise<Store> {
    const store = await openS3(`${ceph.endpoint}/${bucket}/${path}`, s3Settings(ceph.user, extended, more));
    stores.push(store);
    return store;
  }

  /** @param days of the lock */
  async function locking(path: string, days = 1, more: Record<string, string> = {}): Promise<Locking> {
    const store = await open(path, more, { lockSeconds: days * DAY_SECONDS });
    await store.create();
    assert.ok(store.extend);
    return store as Locking;
  }

  const head = (Key: string): Promise<HeadObjectCommandOutput> =>
    thief.send(new HeadObjectCommand({ Bucket: BUCKET, Key }));

  /** In days, about. */
  const lockedFor = ({ ObjectLockRetainUntilDate: until }: HeadObjectCommandOutput): number | undefined =>
    until && Math.round((until.getTime() - Date.now()) / DAY);

  /** A time between what was before and what comes. */
  async function moment(): Promise<string> {
    await sleep(50);
    const time = new Date().toISOString();
    await sleep(50);
    return time;
  }

  test('all objects but leases are locked for the term, and cannot be removed', async () => {
    const path = `each/${number++}`;
    const store = await locking(path, 30);
    const { name, bytes } = object(1000);
    for (const type of [...LOCKED, 'locks'] as const) await store.put(type, name, [bytes]);
    await store.put('config', 'config', [bytes]);
    const keys = ['config', ...LOCKED.map((type) => `${type}/${type === 'data' ? `${name.slice(0, 2)}/` : ''}${name}`)];
    for (const key of keys) {
      const info = await head(`${path}/${key}`);
      assert.equal(info.ObjectLockMode, 'COMPLIANCE', key);
      assert.equal(lockedFor(info), 30, key);
      const version = { Bucket: BUCKET, Key: `${path}/${key}`, VersionId: info.VersionId };
      const unlocking = new DeleteObjectCommand({ ...version, BypassGovernanceRetention: true });
      await assert.rejects(thief.send(unlocking), { name: 'AccessDenied' });
    }
    assert.equal((await head(`${path}/locks/${name}`)).ObjectLockMode, undefined);
  });

  test('in governance mode a key with the right can remove a locked object', async () => {
    const path = `each/${number++}`;
    const store = await locking(path, 365, { 'object-lock-mode': 'governance' });
    const { name, bytes } = object(1000);
    await store.put('index', name, [bytes]);
    const info = await head(`${path}/index/${name}`);
    assert.equal(info.ObjectLockMode, 'GOVERNANCE');
    assert.equal(lockedFor(info), 365);
  });

  test('extend lengthens a lock that has become short', async () => {
    const path = `each/${number++}`;
    const [short, long] = [await locking(path, 1), await locking(path, 30)];
    const { name, bytes } = object(1000);
    await short.put('index', name, [bytes]);
    const until = async (): Promise<number> =>
      ((await head(`${path}/index/${name}`)).ObjectLockRetainUntilDate?.getTime() ?? 0) / 1000;
    const first = await until();
    assert.equal(await short.extend('index', name), first);
    assert.equal(await until(), first);
    const extended = await long.extend('index', name);
    assert.ok(Math.abs(extended - first - 29 * DAY_SECONDS) < 60, `${extended - first} s`);
    assert.equal(await until(), extended);
    assert.equal(await long.extend('index', name), extended);
    assert.equal(await short.extend('index', name), extended);
    assert.equal(await until(), extended);
    await assert.rejects(long.extend('index', object(1).name), isVarveError('not-found'));
    assert.deepEqual(await long.get('index', name), bytes);
  });

  test('extend keeps the mode of a lock, and locks an unlocked object', async () => {
    const path = `each/${number++}`;
    const governance = await locking(path, 1, { 'object-lock-mode': 'governance' });
    const [kept, bare] = [object(100), object(200)];
    await governance.put('data', kept.name, [kept.bytes]);
    await (await open(path, {})).put('data', bare.name, [bare.bytes]);
    const store = await locking(path, 30);
    for (const [{ name }, mode] of [
      [kept, 'GOVERNANCE'],
      [bare, 'COMPLIANCE'],
    ] as const) {
      await store.extend('data', name);
      const info = await head(`${path}/data/${name.slice(0, 2)}/${name}`);
      assert.deepEqual([info.ObjectLockMode, lockedFor(info)], [mode, 30]);
    }
  });

  test('a bucket without Object Lock is refused before the first write', async () => {
    const bucket = 'plain';
    await (await open('', {}, {}, bucket)).create();
    const { name, bytes } = object(100);
    const message = /--object-lock: the bucket plain has no Object Lock: use one that has; `varve init --object-lock`/;
    const opened = (): Promise<Store> => open('', {}, { lockSeconds: DAY_SECONDS }, bucket);
    for (const action of [
      (store: Store) => store.create(),
      (store: Store) => store.put('data', name, [bytes]),
      (store: Store) => store.put('config', 'config', [bytes]),
    ])
      await assert.rejects(action(await opened()), isVarveError('usage', message));
    assert.deepEqual(await names(await open('', {}, {}, bucket), 'data'), []);
    await (await open('', {}, {}, bucket)).put('data', name, [bytes]);
    await assert.rejects(async () => (await opened()).extend?.('data', name), isVarveError('usage', message));
    await (await opened()).put('locks', name, [bytes]);
  });

  test('a key that may not read the bucket’s configuration can write', async () => {
    const proxy = await S3Proxy.start(ceph);
    try {
      proxy.fate = ({ query }) => (query.has('object-lock') ? { answer: { status: 403, code: 'AccessDenied' } } : {});
      const place = `${proxy.endpoint}/${BUCKET}/each/${number++}`;
      const store = await openS3(place, s3Settings(ceph.user, {}, { lockSeconds: DAY_SECONDS }));
      stores.push(store);
      const { name, bytes } = object(100);
      await Promise.all([store.put('index', name, [bytes]), store.put('config', 'config', [bytes])]);
      assert.equal(proxy.seen.filter(({ query }) => query.has('object-lock')).length, 1);
      proxy.fate = ({ query }) => (query.has('object-lock') ? { answer: { status: 501, code: 'NotImplemented' } } : {});
      const other = await openS3(place, s3Settings(ceph.user, {}, { lockSeconds: DAY_SECONDS }));
      stores.push(other);
      await assert.rejects(other.put('index', name, [bytes]), isVarveError('usage', /has no Object Lock/));
    } finally {
      proxy.stop();
    }
  });

  test('reading config warns when locks were not extended', async () => {
    const path = `each/${number++}`;
    await (await locking(path, 10.5)).put('config', 'config', [Buffer.from('config')]);
    const told: string[] = [];
    const onWarning = (text: string): void => void told.push(text);
    for (const days of [21.1, 25, 30]) {
      const store = await open(path, {}, { lockSeconds: days * DAY_SECONDS, onWarning });
      for (let times = 0; times < 2; times++) await store.get('config', 'config');
    }
    assert.equal(told.length, 3);
    assert.equal(
      told.at(-1),
      'the locks of what is stored end in 10 days: `varve prune` with --object-lock extends them; run it every 7 days, or more often',
    );
    told.length = 0;
    for (const lockSeconds of [20 * DAY_SECONDS, undefined])
      await (await open(path, {}, { lockSeconds, onWarning })).get('config', 'config');
    assert.deepEqual(told, []);
  });

  test('config is created once even when the server ignores the condition', async () => {
    const store = await locking(`each/${number++}`);
    await store.put('config', 'config', [Buffer.from('first')]);
    await assert.rejects(store.put('config', 'config', [Buffer.from('second')]), isVarveError('exists'));
    assert.equal((await store.get('config', 'config')).toString(), 'first');
  });

  test('PastStore shows removed and overwritten objects, and is read-only', async () => {
    const path = `each/${number++}`;
    const store = await locking(path);
    const [kept, gone, changed, later, earlier] = [object(100), object(200), object(300), object(400), object(500)];
    for (const { name, bytes } of [kept, gone, changed]) await store.put('data', name, [bytes]);
    const { name, bytes } = kept;
    await store.put('data', earlier.name, [earlier.bytes]);
    await store.remove('data', earlier.name);
    const full = await moment();
    await store.remove('data', gone.name);
    await store.replace('data', changed.name, [Buffer.from('rubbish')]);
    await store.put('data', later.name, [later.bytes]);
    assert.deepEqual(await names(store, 'data'), [kept, changed, later].map((each) => each.name).sort());
    await assert.rejects(store.get('data', gone.name), isVarveError('not-found'));

    const past = await open(path, { 'versions-at': full });
    assert.deepEqual(await names(past, 'data'), [kept, gone, changed].map((each) => each.name).sort());
    for (const each of [kept, gone, changed]) {
      assert.deepEqual(await past.get('data', each.name), each.bytes);
      const range = { offset: 10, length: 50 };
      assert.deepEqual(await past.get('data', each.name, range), each.bytes.subarray(10, 60));
      assert.equal((await past.stat('data', each.name))?.size, each.bytes.length);
    }
    for (const each of [later, earlier])
      await assert.rejects(past.get('data', each.name), isVarveError('not-found', /as it was at/));
    assert.match(past.location, /as it was at/);
    for (const change of [
      past.create(),
      past.put('data', name, [bytes]),
      past.replace('data', name, [bytes]),
      past.remove('data', name),
    ])
      await assert.rejects(change, isVarveError('denied', /which is read-only/));
    await store.remove('data', kept.name);
    await store.put('data', kept.name, [bytes]);
    assert.deepEqual(await store.get('data', kept.name), bytes);
    const before = await open(path, { 'versions-at': '2020-01-01' });
    assert.deepEqual(await names(before, 'data'), []);
  });

  test('PastStore reads a repository that a thief emptied and overwrote', async () => {
    const path = `thief/${number++}`;
    const sandbox = await Sandbox.create(join(directory, 'sandbox'), { store: await locking(path) });
    await sandbox.backup({ sources: [Buffer.from(import.meta.dirname)] });
    const before = await moment();
    const versions = await thief.send(new ListObjectVersionsCommand({ Bucket: BUCKET, Prefix: `${path}/` }));
    for (const { Key, VersionId } of versions.Versions ?? []) {
      const locked = !Key?.startsWith(`${path}/locks/`);
      const destroy = new DeleteObjectCommand({ Bucket: BUCKET, Key, VersionId });
      if (locked) await assert.rejects(thief.send(destroy), { name: 'AccessDenied' });
      await thief.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: 'rubbish' }));
      await thief.send(new DeleteObjectCommand({ Bucket: BUCKET, Key }));
    }
    await assert.rejects(sandbox.open(), isVarveError('no-repository'));
    const past = await open(path, { 'versions-at': before });
    const repository = await openRepository(past, { unlock: { password: PASSWORD } });
    const { findings, snapshots } = await check(repository, { readData: { kind: 'all' } });
    assert.deepEqual([findings, snapshots], [[], 1]);
  });
});
