import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { PutBucketPolicyCommand } from '@aws-sdk/client-s3';
import { CEPH_MISSING, type CephServer, type Credentials, startCeph } from '../../servers/ceph.js';
import { rawClient } from '../../storage/s3/raw.js';
import { Watched } from './cases.js';

const WRONG = 'wrongsecretkey0000000000000000000000000';
const TOKEN = 'session-token-of-nobody';
const FIVE_HOURS_AHEAD = `const { now } = Date;
const ahead = 5 * 3600_000;
Date.now = () => now() + ahead;
globalThis.Date = class extends Date {
  constructor(...given) {
    super(...(given.length === 0 ? [now() + ahead] : given));
  }
};`;

const keys = ({ accessKeyId, secretAccessKey }: Credentials) => ({
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
});

describe('errors of S3 give advice and show no key', { skip: CEPH_MISSING }, () => {
  let ceph: CephServer;
  let guest: Credentials;
  let small: Credentials;
  const watched = new Watched(WRONG, TOKEN);
  const { place } = watched;
  let source: string;
  before(async () => {
    ceph = await startCeph();
    [guest, small] = [await ceph.addUser('guest'), await ceph.addUser('small')];
    watched.keepSecret(...[ceph.user, guest, small].map((each) => each.secretAccessKey));
    mkdirSync(place.path('home'));
    Object.assign(place.env, { HOME: place.path('home'), AWS_EC2_METADATA_DISABLED: 'true' });
    source = place.files('source', { file: 'text' });
    await watched.ok(['init', '-r', at('bucket/laptop')], keys(ceph.user));
  });
  after(() => ceph?.stop());

  const at = (path: string): string => `s3:${ceph.endpoint}/${path}`;

  test('keys that are wrong, or missing', async () => {
    const repository = at('bucket/laptop');
    const right = keys(ceph.user);
    const cases: [Record<string, string>, RegExp][] = [
      [{ ...right, AWS_ACCESS_KEY_ID: 'NOBODY' }, /does not know the access key: is AWS_ACCESS_KEY_ID right/],
      [{ ...right, AWS_SECRET_ACCESS_KEY: WRONG }, /does not match the access key: check AWS_SECRET_ACCESS_KEY/],
      [{ ...right, AWS_SECRET_ACCESS_KEY: WRONG, AWS_SESSION_TOKEN: TOKEN }, /AWS_SE/],
      [{}, /no keys for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE$/],
      [{ AWS_ACCESS_KEY_ID: right.AWS_ACCESS_KEY_ID }, /AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not/],
      [{ AWS_SECRET_ACCESS_KEY: WRONG }, /AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not/],
      [{ ...right, AWS_PROFILE: 'absent' }, /AWS_PROFILE=absent: there are no keys for S3 in that profile/],
      [
        { AWS_WEB_IDENTITY_TOKEN_FILE: '/no/token', AWS_ROLE_ARN: 'arn:aws:iam::1:role/x' },
        /cannot read \/no\/token: no such/,
      ],
    ];
    for (const [env, message] of cases) await watched.fails({ repository, args: ['snapshots'], env, message });
    const wrong = { ...right, AWS_SECRET_ACCESS_KEY: WRONG };
    for (const args of [['init'], ['backup', source], ['prune']])
      await watched.fails({ repository, args, env: wrong, message: /config: 127.*AWS_SECRET_ACCESS_KEY/ });
  });

  test('buckets that are missing, or another’s, and keys that may only read', async () => {
    for (const args of [['backup', source], ['snapshots'], ['prune']])
      await watched.fails({
        repository: at('missing/laptop'),
        args,
        env: keys(ceph.user),
        code: 10,
        message: /127.* has no bucket missing: is the name right\? `varve init` makes it/,
      });
    for (const args of [['init'], ['snapshots']])
      await watched.fails({
        repository: at('bucket/laptop'),
        args,
        env: keys(guest),
        message: /may not do that in the bucket bucket of 127.*is it your bucket\? .* must allow s3:/,
      });
    await watched.fails({
      repository: at('Bad_Name/laptop'),
      args: ['init'],
      env: keys(ceph.user),
      message: /rejects the bucket name Bad_Name: use 3 to 63 lower-case letters/,
    });
    const bucket = 'arn:aws:s3:::bucket';
    const statement = {
      Effect: 'Allow',
      Principal: { AWS: ['arn:aws:iam:::user/guest'] },
      Action: ['s3:GetObject', 's3:ListBucket'],
      Resource: [bucket, `${bucket}/*`],
    };
    const client = rawClient(ceph);
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
    await client.send(new PutBucketPolicyCommand({ Bucket: 'bucket', Policy }));
    client.destroy();
    await watched.ok(['snapshots', '-r', at('bucket/laptop')], keys(guest));
    for (const args of [['backup', source], ['prune']])
      await watched.fails({
        repository: at('bucket/laptop'),
        args,
        env: keys(guest),
        message: /cannot write locks\/.*must allow s3:PutObject/,
      });
  });

  test('a quota, a clock, another server, and keys in the place', async () => {
    await ceph.admin('quota', 'set', '--uid=small', '--quota-scope=user', '--max-size=3000000');
    await ceph.admin('quota', 'enable', '--uid=small', '--quota-scope=user');
    await watched.ok(['init', '-r', at('little/laptop')], keys(small));
    await watched.fails({
      repository: at('little/laptop'),
      args: ['backup', place.files('large', { noise: randomBytes(4_000_000) })],
      env: keys(small),
      message: /cannot write data\/.* is full \(403 QuotaExceeded\); the stored data is safe: raise the quota/,
    });
    const ahead = place.path('ahead.mjs');
    writeFileSync(ahead, FIVE_HOURS_AHEAD);
    await watched.fails({
      repository: at('bucket/laptop'),
      args: ['snapshots'],
      env: { ...keys(ceph.user), NODE_OPTIONS: `--import ${ahead}` },
      message: /the clock of this machine is 5 h ahead, or that of 127.* is wrong: set it/,
    });
    const { accessKeyId, secretAccessKey } = ceph.user;
    await watched.fails({
      repository: `s3:http://${accessKeyId}:${secretAccessKey}@127.0.0.1:${ceph.port}/bucket`,
      args: ['snapshots'],
      message: /s3:http:\/\/\*\*\*@127.*keys do not belong in the location: set AWS_ACCESS_KEY_ID/,
    });
    await watched.fails({
      repository: at('bucket/laptop').replace('http:', 'https:'),
      args: ['snapshots'],
      env: keys(ceph.user),
      message: /does not speak TLS there: use http:/,
    });
  });
});
