import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Playground } from '../../cli/varve.js';
import { CEPH_MISSING, type CephServer, startCeph } from '../../servers/ceph.js';
import { S3Proxy, type Seen } from './proxy.js';

/** Requests by what they cost: Amazon takes most for PUT and LIST, a twelfth for GET and HEAD, nothing for DELETE. */
type Operation = 'PUT' | 'LIST' | 'GET' | 'HEAD' | 'DELETE';
type Requests = Readonly<Partial<Record<Operation, number>>>;

/** What a command may ask for at most; docs/stores.md has this table. The source has 90 MB in 501 files, which makes up to eight packs. */
const ALLOWED: Readonly<Record<string, Requests>> = {
  init: { HEAD: 3, PUT: 3 },
  backup: { LIST: 7, GET: 2, PUT: 11, DELETE: 1 },
  // Two objects more when a directory above the source has changed.
  'unchanged backup': { LIST: 7, GET: 2, PUT: 4, DELETE: 1 },
  snapshots: { LIST: 2, GET: 2 },
  restore: { LIST: 4, GET: 9 },
  check: { LIST: 7, GET: 17 },
  'check --read-data': { LIST: 7, GET: 24 },
  'backup of a change': { LIST: 7, GET: 2, PUT: 6, DELETE: 1 },
  forget: { LIST: 2, GET: 2, DELETE: 2 },
  prune: { LIST: 14, GET: 9, PUT: 6, DELETE: 1 },
  'prune that deletes': { LIST: 14, GET: 4, PUT: 2, DELETE: 11 },
};

describe('requests to S3', { skip: CEPH_MISSING }, () => {
  const place = new Playground();
  const source = place.path('source');
  let ceph: CephServer;
  let proxy: S3Proxy;
  before(async () => {
    ceph = await startCeph();
    proxy = await S3Proxy.start(ceph);
    place.env.AWS_ACCESS_KEY_ID = ceph.user.accessKeyId;
    place.env.AWS_SECRET_ACCESS_KEY = ceph.user.secretAccessKey;
    place.env.VARVE_REPOSITORY = `s3:${proxy.endpoint}/bucket/host`;
    const small = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`folder-${i % 20}/${i}`, `file ${i}`]));
    place.files('source', { ...small, large: randomBytes(90_000_000) });
  });
  after(async () => {
    proxy?.stop();
    await ceph?.stop();
  });

  /** Runs what must succeed and print no error, and ask for no more than it may. */
  async function run(what: string, ...args: string[]): Promise<void> {
    proxy.seen.length = 0;
    const { err } = await place.ok(args);
    assert.equal(err, '');
    const asked: Partial<Record<Operation, number>> = {};
    for (const each of proxy.seen) asked[operationOf(each)] = (asked[operationOf(each)] ?? 0) + 1;
    const allowed = ALLOWED[what] ?? {};
    const message = `${what}: ${JSON.stringify(asked)}`;
    for (const [operation, count] of Object.entries(asked))
      assert.ok(count <= (allowed[operation as Operation] ?? 0), message);
  }

  test('a backup, restore, prune and check make the expected requests', async () => {
    await run('init', 'init');
    await run('backup', 'backup', source);
    await run('unchanged backup', 'backup', source);
    await run('snapshots', 'snapshots');
    await run('restore', 'restore', 'latest', '--target', place.path('restored'));
    assert.deepEqual(readFileSync(join(place.path('restored'), source, 'large')), readFileSync(join(source, 'large')));
    await run('check', 'check');
    await run('check --read-data', 'check', '--read-data');
    writeFileSync(join(source, 'large'), 'small now');
    await run('backup of a change', 'backup', source);
    await run('forget', 'forget', '--keep-last', '1');
    await run('prune', 'prune');
    await run('prune that deletes', 'prune', '--grace', '0h');
    await run('check --read-data', 'check', '--read-data');
  });

  test('keys come from the shared files by profile', async () => {
    const { accessKeyId, secretAccessKey } = ceph.user;
    const file = join(place.files('aws', { keys: '' }), 'keys');
    const keys = `aws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
    writeFileSync(file, `[default]\naws_access_key_id = nobody\naws_secret_access_key = x\n[backup]\n${keys}`);
    const env = {
      AWS_ACCESS_KEY_ID: undefined,
      AWS_SECRET_ACCESS_KEY: undefined,
      AWS_SHARED_CREDENTIALS_FILE: file,
      AWS_CONFIG_FILE: '/dev/null',
    };
    const { out } = await place.ok(['snapshots'], { env: { ...env, AWS_PROFILE: 'backup' } });
    assert.match(out, /\d snapshot/);
    const { code, err } = await place.run(['snapshots'], { env });
    assert.equal(code, 1);
    assert.match(err, /does not know the access key/);
  });

  test('no error shows a secret', async () => {
    const secret = 'a secret that is wrong';
    const { code, out, err } = await place.run(['snapshots'], { env: { AWS_SECRET_ACCESS_KEY: secret } });
    assert.equal(code, 1);
    assert.match(err, /AWS_SECRET_ACCESS_KEY/);
    assert.ok(!`${out}${err}`.includes(secret));
  });
});

function operationOf({ method, query }: Seen): Operation {
  return query.has('list-type') ? 'LIST' : (method as Operation);
}
