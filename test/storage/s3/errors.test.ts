import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, describe, mock, test } from 'node:test';
import { PutBucketPolicyCommand } from '@aws-sdk/client-s3';
import type { ErrorCode, VarveError } from '../../../src/errors/errors.js';
import { readPack } from '../../../src/repository/packs/pack-reading.js';
import { openS3 } from '../../../src/storage/s3/open.js';
import type { StoreSettings } from '../../../src/storage/settings.js';
import type { Store } from '../../../src/storage/store.js';
import { CEPH_MISSING, type CephServer, type Credentials, startCeph } from '../../servers/ceph.js';
import { s3Settings } from '../../servers/s3-settings.js';
import { names, object } from '../conformance.js';
import { rawClient } from './raw.js';

const thing = object(1000);

interface Access {
  readonly place?: string;
  readonly user?: Credentials;
  readonly extended?: Readonly<Record<string, string>>;
  readonly more?: Partial<StoreSettings>;
}

const OPERATIONS: Readonly<Record<string, (store: Store) => Promise<unknown>>> = {
  // First: later the clock is known from other answers.
  now: (store) => store.now(),
  stat: (store) => store.stat('data', thing.name),
  get: (store) => store.get('data', thing.name),
  list: (store) => names(store, 'data'),
  put: (store) => store.put('data', thing.name, [thing.bytes]),
  remove: (store) => store.remove('data', thing.name),
};

describe('errors of S3, by a real server', { skip: CEPH_MISSING }, () => {
  let ceph: CephServer;
  let guest: Credentials;
  before(async () => {
    ceph = await startCeph();
    const store = await open({});
    await store.create();
    await store.close();
    guest = await ceph.addUser('guest');
  });
  after(() => ceph?.stop());

  const open = ({ place = `${ceph.endpoint}/bucket`, user = ceph.user, extended, more }: Access): Promise<Store> =>
    openS3(place, s3Settings(user, extended, more));

  /** The errors of these operations; none may show a secret. */
  async function refused(
    access: Access,
    operations: readonly string[],
    { code, message, retryable = false }: { code: ErrorCode; message: RegExp; retryable?: boolean },
  ): Promise<void> {
    const store = await open(access);
    try {
      for (const each of operations) {
        const error = await OPERATIONS[each]?.(store).then(
          () => assert.fail(`${each} succeeded`),
          (cause: VarveError) => cause,
        );
        assert.equal(error?.code, code, `${each}: ${error?.message}`);
        assert.match(error?.message ?? '', message, each);
        assert.equal(error?.retryable, retryable, each);
        const { secretAccessKey } = access.user ?? ceph.user;
        assert.ok(secretAccessKey === '' || !error?.message.includes(secretAccessKey));
      }
    } finally {
      await store.close();
    }
  }

  const ALL = Object.keys(OPERATIONS);

  test('unknown keys, wrong secrets and missing keys have errors with advice', async () => {
    const { user } = ceph;
    const unknown = { ...user, accessKeyId: 'nobody' };
    await refused({ user: unknown }, ALL, { code: 'denied', message: /AWS_ACCESS_KEY_ID/ });
    const wrong = { ...user, secretAccessKey: 'another secret' };
    await refused({ user: wrong }, ALL, { code: 'denied', message: /AWS_SECRET_ACCESS_KEY/ });
    const none = { accessKeyId: '', secretAccessKey: '' };
    process.env.AWS_EC2_METADATA_DISABLED = 'true';
    const environment = { AWS_PROFILE: 'no such profile' };
    await refused({ user: none, more: { environment } }, ['get'], {
      code: 'denied',
      message: /AWS_PROFILE=no such profile: there are no keys for S3/,
    });
  });

  test('a missing bucket is an error, and create makes it', async () => {
    const access = { place: `${ceph.endpoint}/missing/a` };
    const message = /no bucket missing.*varve init/;
    await refused(access, ['get', 'list', 'put', 'remove'], { code: 'no-repository', message });
    const store = await open(access);
    assert.equal(await store.stat('config', 'config'), undefined);
    await store.create();
    await store.put('data', thing.name, [thing.bytes]);
    assert.deepEqual(await store.get('data', thing.name), thing.bytes);
    await store.close();
  });

  test('a bucket of another account is an error with advice', async () => {
    const message = /bucket bucket of 127\.0\.0\.1:\d+ .*is it your bucket\?.*s3:/;
    await refused({ user: guest }, ALL, { code: 'denied', message });
  });

  test('a read-only key fails to write with advice', async () => {
    const client = rawClient(ceph);
    const bucket = 'arn:aws:s3:::bucket';
    const policy = {
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: ['arn:aws:iam:::user/guest'] },
          Action: ['s3:GetObject', 's3:ListBucket'],
          Resource: [bucket, `${bucket}/*`],
        },
      ],
    };
    await client.send(new PutBucketPolicyCommand({ Bucket: 'bucket', Policy: JSON.stringify(policy) }));
    client.destroy();
    await refused({ user: guest }, ['put'], { code: 'denied', message: /s3:PutObject/ });
    await refused({ user: guest }, ['remove'], { code: 'denied', message: /s3:DeleteObject/ });
    const store = await open({ user: guest });
    assert.deepEqual(await names(store, 'data'), []);
    assert.ok((await store.now()) > 1e9);
    await store.close();
  });

  test('a used-up quota is a full store', async () => {
    const user = await ceph.addUser('small');
    await ceph.admin('quota', 'set', '--uid=small', '--quota-scope=user', '--max-size=4096');
    await ceph.admin('quota', 'enable', '--uid=small', '--quota-scope=user');
    const access = { place: `${ceph.endpoint}/small`, user };
    const store = await open(access);
    await store.create();
    for (const length of [100_000, 9_000_000]) {
      const { name, bytes } = object(length);
      await assert.rejects(store.put('data', name, [bytes]), (error: VarveError) => {
        assert.equal(error.code, 'full');
        assert.match(error.message, /quota.*the stored data is safe|the stored data is safe.*quota/i);
        return true;
      });
    }
    await store.close();
  });

  test('a wrong clock is reported with the difference, and the retry uses the server’s clock', async () => {
    const { now } = Date;
    const clock = mock.method(Date, 'now', () => now() + 3 * 3600_000);
    const store = await open({});
    try {
      await assert.rejects(names(store, 'data'), (error: VarveError) => {
        assert.equal(error.retryable, true);
        assert.match(error.message, /clock of this machine is 3 h ahead/);
        return true;
      });
      assert.deepEqual(await names(store, 'data'), []);
    } finally {
      clock.mock.restore();
      await store.close();
    }
  });

  test('missing features of the server have errors with advice', async () => {
    const code = 'storage';
    await refused({ extended: { 'storage-class': 'GLACIER' } }, ['put'], { code, message: /storage class GLACIER/ });
    await refused({ more: { lockSeconds: 86_400 } }, ['put'], { code: 'usage', message: /has no Object Lock/ });
    const elsewhere = await open({ place: `${ceph.endpoint}/fresh`, extended: { region: 'eu-west-7' } });
    await assert.rejects(elsewhere.create(), /no such region.*s3\.region/);
    await elsewhere.close();
  });

  test('an unreachable or silent server is an error with advice', async () => {
    const code = 'storage';
    const retryable = true;
    await refused({ place: 'http://127.0.0.1:9/bucket' }, ALL, { code, message: /127\.0\.0\.1:9.*refused/, retryable });
    ceph.freeze(true);
    try {
      const more = { idleTimeoutSeconds: 1 };
      await refused({ more }, ['get', 'put', 'list'], { code, message: /no answer from .* for 1 s/, retryable });
    } finally {
      ceph.freeze(false);
    }
  });

  test('an interrupted request fails with interrupted', async () => {
    const controller = new AbortController();
    const store = await open({ more: { signal: controller.signal } });
    ceph.freeze(true);
    try {
      const reading = store.get('data', thing.name);
      setTimeout(() => controller.abort(), 50);
      await assert.rejects(reading, { code: 'interrupted' });
    } finally {
      ceph.freeze(false);
      await store.close();
    }
  });
});

test('a server that does not speak S3 is an error', async () => {
  await withServer(
    (response) => response.end('<html>Welcome<br></html>'),
    async (store) => {
      await assert.rejects(names(store, 'data'), /does not speak S3/);
    },
  );
});

test('a busy proxy’s answer is retried', async () => {
  let status = 200;
  await withServer(
    (response) => response.writeHead(status).end('too busy just now'),
    async (store) => {
      for (const [each, retryable] of [
        [408, true],
        [429, true],
        [500, true],
        [503, true],
        [501, false],
        [400, false],
      ] as const) {
        status = each;
        await assert.rejects(names(store, 'data'), { code: 'storage', retryable }, String(each));
      }
    },
  );
});

test('an archived object is unreadable, not damaged, and not retried', async () => {
  let asked = 0;
  await withServer(
    (response) => {
      asked++;
      response.writeHead(403, { 'content-type': 'application/xml' });
      response.end('<Error><Code>InvalidObjectState</Code><Message>not valid for the storage class</Message></Error>');
    },
    async (store) => {
      const reading = await readPack(store, thing.name, 10_000_000);
      assert.equal(reading?.kind, 'unreadable');
      assert.match(
        reading?.kind === 'unreadable' ? reading.error.message : '',
        /in an archive: restore it there first/,
      );
      assert.equal(asked, 1);
    },
  );
});

/** A server of something else, taken for one of S3. */
async function withServer(
  answer: (response: http.ServerResponse) => void,
  action: (store: Store) => Promise<void>,
): Promise<void> {
  const server = http.createServer((_, response) => answer(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const user = { accessKeyId: 'a', secretAccessKey: Buffer.from('b').toString() };
  const store = await openS3(`http://127.0.0.1:${port}/bucket`, s3Settings(user));
  try {
    await action(store);
  } finally {
    await store.close();
    server.closeAllConnections();
    server.close();
  }
}
