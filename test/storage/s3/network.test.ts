import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import http from 'node:http';
import { after, afterEach, before, describe, test } from 'node:test';
import type { VarveError } from '../../../src/errors/errors.js';
import { openS3 } from '../../../src/storage/s3/open.js';
import type { Store } from '../../../src/storage/store.js';
import { isVarveError } from '../../errors/expect-error.js';
import { CEPH_MISSING, type CephServer, startCeph } from '../../servers/ceph.js';
import { s3Settings } from '../../servers/s3-settings.js';
import { names, object } from '../conformance.js';
import { type Fate, S3Proxy, type Seen } from './proxy.js';
import { putRaw } from './raw.js';

test('the bucket is in the path unless the options put it in the host name', async () => {
  const user = { accessKeyId: 'a', secretAccessKey: 'b' };
  for (const [lookup, host] of [
    ['auto', 'nowhere.invalid'],
    ['path', 'nowhere.invalid'],
    ['dns', 'bucket.nowhere.invalid'],
  ] as const) {
    const store = await openS3('http://nowhere.invalid/bucket', s3Settings(user, { 'bucket-lookup': lookup }));
    await assert.rejects(names(store, 'data'), (error: VarveError) => {
      assert.equal(error.retryable, true);
      assert.equal((error.cause as { hostname?: string }).hostname, host);
      return true;
    });
    await store.close();
  }
});

test('an answer with another range is refused', async () => {
  let answer: { status: number; headers: http.OutgoingHttpHeaders; body: string } = {
    status: 200,
    headers: {},
    body: '',
  };
  const server = http.createServer((_, response) => {
    const { status, headers, body } = answer;
    response.writeHead(status, { ...headers, 'content-length': body.length }).end(body);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  const store = await openS3(`http://127.0.0.1:${port}/bucket`, s3Settings({ accessKeyId: 'a', secretAccessKey: 'b' }));
  const get = (): Promise<Buffer> => store.get('data', object(1).name, { offset: 5, length: 10 });
  const headers = { 'content-range': 'bytes 5-14/100' };
  try {
    answer = { status: 206, headers, body: '0123456789' };
    assert.equal((await get()).toString(), '0123456789');
    answer = { status: 206, headers, body: '01234567890123456789' };
    await assert.rejects(get(), { code: 'storage' });
    answer = { status: 206, headers, body: '0123' };
    await assert.rejects(get(), { code: 'damaged' });
    answer = { status: 200, headers: {}, body: '0123456789' };
    await assert.rejects(get(), /does not support ranges/);
  } finally {
    await store.close();
    server.closeAllConnections();
    server.close();
  }
});

describe('S3 through a network that fails', { skip: CEPH_MISSING }, () => {
  let ceph: CephServer;
  let proxy: S3Proxy;
  const stores: Store[] = [];
  let number = 0;
  before(async () => {
    ceph = await startCeph();
    proxy = await S3Proxy.start(ceph);
  });
  afterEach(async () => {
    proxy.fate = () => ({});
    await Promise.all(stores.splice(0).map((store) => store.close()));
  });
  after(async () => {
    proxy?.stop();
    await ceph?.stop();
  });

  /** A place of its own, seen through the proxy and past it. */
  async function fresh(extended: Record<string, string> = {}): Promise<{ store: Store; direct: Store }> {
    const path = `bucket/${number++}`;
    const open = (endpoint: string): Promise<Store> => openS3(`${endpoint}/${path}`, s3Settings(ceph.user, extended));
    const [store, direct] = await Promise.all([open(proxy.endpoint), open(ceph.endpoint)]);
    stores.push(store, direct);
    await direct.create();
    proxy.seen.length = 0;
    return { store, direct };
  }

  const puts =
    (fate: Fate) =>
    (request: Seen): Fate =>
      request.method === 'PUT' ? fate : {};
  const retryable = (error: VarveError): boolean => error.code === 'storage' && error.retryable;

  test('a put succeeds on retry when its answer was lost', async () => {
    const { store, direct } = await fresh();
    const { name, bytes } = object(100_000);
    proxy.fate = puts({ loseAnswer: true });
    await assert.rejects(store.put('data', name, [bytes]), retryable);
    await assert.rejects(store.put('config', 'config', [bytes]), retryable);
    proxy.fate = () => ({});
    await store.put('data', name, [bytes]);
    await store.put('config', 'config', [bytes]);
    await assert.rejects(store.put('config', 'config', [Buffer.from('another')]), isVarveError('exists'));
    assert.deepEqual(await direct.get('config', 'config'), bytes);
    assert.deepEqual(await names(direct, 'data'), [name]);
  });

  test('a broken upload leaves the old state', async () => {
    const { store, direct } = await fresh();
    const { name, bytes } = object(5_000_000);
    proxy.fate = puts({ cutUploadAt: 2_000_000 });
    await assert.rejects(store.put('data', name, [bytes]), retryable);
    assert.deepEqual(await names(direct, 'data'), []);
    proxy.fate = () => ({});
    const damaged = bytes.subarray(0, 1000);
    await store.replace('data', name, [damaged]);
    proxy.fate = puts({ cutUploadAt: 2_000_000 });
    await assert.rejects(store.put('data', name, [bytes]), retryable);
    assert.deepEqual(await direct.get('data', name), damaged);
    proxy.fate = () => ({});
    await store.put('data', name, [bytes]);
    assert.deepEqual(await direct.get('data', name), bytes);
  });

  test('a truncated answer is retried', async () => {
    const { store } = await fresh();
    const { name, bytes } = object(3_000_000);
    await store.put('data', name, [bytes]);
    proxy.fate = ({ method }) => (method === 'GET' ? { cutAnswerAt: 1_000_000 } : {});
    await assert.rejects(store.get('data', name), retryable);
    await assert.rejects(store.get('data', name, { offset: 5, length: 2_500_000 }), retryable);
    proxy.fate = () => ({});
    assert.deepEqual(await store.get('data', name), bytes);
  });

  test('the server refuses an upload with a flipped bit, because its hash is signed', async () => {
    const { store, direct } = await fresh();
    const { name, bytes } = object(200_000);
    proxy.fate = puts({ flip: true });
    await assert.rejects(store.put('data', name, [bytes]), retryable);
    await assert.rejects(store.put('data', name, [bytes.subarray(0, 9), bytes.subarray(9)]), retryable);
    await assert.rejects(store.replace('data', name, [bytes]), retryable);
    await assert.rejects(store.put('config', 'config', [bytes]), retryable);
    for (const { method, path, headers } of proxy.seen)
      if (method === 'PUT' && path.includes('data')) assert.equal(headers['x-amz-content-sha256'], name);
    assert.deepEqual(await names(direct, 'data'), []);
    // What is put under a name that is not its hash was damaged in memory.
    proxy.fate = () => ({});
    await assert.rejects(store.put('data', object(9).name, [bytes]), retryable);
  });

  test('a put works without If-None-Match on servers that lack it', async () => {
    for (const answer of [
      { status: 501, code: 'NotImplemented' },
      { status: 400, code: 'InvalidArgument' },
    ]) {
      const { store, direct } = await fresh();
      proxy.fate = ({ headers }) => (headers['if-none-match'] === undefined ? {} : { answer });
      const things = [object(10), object(20)];
      for (const { name, bytes } of things) await store.put('data', name, [bytes]);
      assert.equal(proxy.seen.length, 3);
      await store.put('config', 'config', [Buffer.from('first')]);
      await assert.rejects(store.put('config', 'config', [Buffer.from('second')]), isVarveError('exists'));
      assert.equal((await direct.get('config', 'config')).toString(), 'first');
      assert.deepEqual(await names(direct, 'data'), things.map(({ name }) => name).sort());
    }
  });

  test('the region comes from the server’s answer unless the user gives one', async () => {
    const answer = { status: 400, code: 'AuthorizationHeaderMalformed', more: '<Region>eu-west-7</Region>' };
    const elsewhere = ({ headers }: Seen): Fate => (headers.authorization?.includes('/eu-west-7/') ? {} : { answer });
    const { store } = await fresh();
    proxy.fate = elsewhere;
    const { name, bytes } = object(1000);
    await store.put('data', name, [bytes]);
    assert.deepEqual(await store.get('data', name), bytes);
    assert.equal(proxy.seen.length, 3);
    proxy.fate = () => ({});
    const { store: told } = await fresh({ region: 'us-east-1' });
    proxy.fate = elsewhere;
    await assert.rejects(
      told.put('data', name, [bytes]),
      /bucket bucket is in the region eu-west-7: use -o s3\.region=eu-west-7/,
    );
  });

  test('only packs get a storage class, and packs of trees never an archive', async () => {
    const put = async (storageClass: string): Promise<readonly (string | undefined)[]> => {
      const { store } = await fresh({ 'storage-class': storageClass });
      proxy.fate = () => ({ answer: { status: 200, code: '' } });
      const { name, bytes } = object(10);
      for (const type of ['keys', 'index', 'snapshots', 'locks'] as const) await store.put(type, name, [bytes]);
      await store.put('data', name, [bytes]);
      await store.put('data', name, [bytes], { keep: true });
      await store.replace('data', name, [bytes]);
      return proxy.seen.map(({ headers }) => headers['x-amz-storage-class'] as string | undefined);
    };
    const none = [undefined, undefined, undefined, undefined];
    assert.deepEqual(await put('STANDARD_IA'), [...none, 'STANDARD_IA', 'STANDARD_IA', 'STANDARD_IA']);
    assert.deepEqual(await put('DEEP_ARCHIVE'), [...none, 'DEEP_ARCHIVE', undefined, undefined]);
  });

  test('requests use nothing that only Amazon supports', async () => {
    const { store } = await fresh();
    const { name, bytes } = object(3_000_000);
    await store.put('data', name, [bytes]);
    await store.get('data', name);
    await store.replace('data', name, [bytes]);
    for (const { method, headers } of proxy.seen) {
      const odd = Object.keys(headers).filter((each) =>
        /^x-amz-(checksum|sdk-checksum|trailer|decoded)|^expect$/.test(each),
      );
      assert.deepEqual(odd, [], method);
      assert.equal(headers['content-encoding'], undefined);
    }
  });

  test('a listing works with keys that XML cannot hold', async () => {
    const { store } = await fresh();
    const { name, bytes } = object(10);
    await store.put('index', name, [bytes]);
    const path = store.location.split('/').slice(4).join('/');
    for (const strange of ['a\u0001b', 'a b+c%20', '<&>', 'ä\uffff'])
      await putRaw(ceph, 'bucket', `${path}/index/${strange}`, bytes);
    assert.deepEqual(await names(store, 'index'), [name]);
    await store.remove('index', name);
    const past = await openS3(store.location.slice(3), s3Settings(ceph.user, { 'versions-at': '2999-01-01' }));
    stores.push(past);
    assert.deepEqual(await names(past, 'index'), []);
  });

  test('errors are retryable only when a retry can help', async () => {
    const { store } = await fresh();
    const { name } = object(1);
    for (const [status, code, again] of [
      [503, 'SlowDown', true],
      [500, 'InternalError', true],
      [429, 'TooManyRequests', true],
      [400, 'RequestTimeout', true],
      [409, 'OperationAborted', true],
      [400, 'MalformedXML', false],
      [501, 'NotImplemented', false],
    ] as const) {
      proxy.fate = () => ({ answer: { status, code } });
      const wanted = (error: VarveError): boolean => error.code === 'storage' && error.retryable === again;
      await assert.rejects(store.get('data', name), wanted, code);
      await assert.rejects(names(store, 'data'), wanted, code);
    }
  });

  test('a listing of more than a page reads all pages', async () => {
    const { store, direct } = await fresh();
    const things = Array.from({ length: 1003 }, () => object(20));
    const left = [...things];
    const putSome = async (): Promise<void> => {
      for (let each = left.pop(); each !== undefined; each = left.pop())
        await direct.put('index', each.name, [each.bytes]);
    };
    await Promise.all([putSome(), putSome(), putSome(), putSome(), putSome()]);
    const all = things.map(({ name }) => name).sort();
    assert.deepEqual(await names(store, 'index'), all);
    assert.equal(proxy.seen.length, 2);
    const place = store.location.slice(3);
    const old = await openS3(place, s3Settings(ceph.user, { 'list-objects-v1': 'true' }));
    stores.push(old);
    assert.deepEqual(await names(old, 'index'), all);
    assert.equal(proxy.seen.length, 4);
    const past = await openS3(place, s3Settings(ceph.user, { 'versions-at': '2999-01-01' }));
    stores.push(past);
    assert.deepEqual((await names(past, 'index')).sort(), all);
  });
});
