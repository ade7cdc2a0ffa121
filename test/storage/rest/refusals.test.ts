import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import type { RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import { type ErrorCode, VarveError } from '../../../src/errors/errors.js';
import { openRest } from '../../../src/storage/rest/open.js';
import { RestStore } from '../../../src/storage/rest/rest-store.js';
import type { Store } from '../../../src/storage/store.js';
import { isVarveError } from '../../errors/expect-error.js';
import { startScripted } from '../../servers/scripted.js';
import { object } from '../conformance.js';
import { settings } from '../transport/settings.js';

const NAME = 'a'.repeat(64);
const SECRET = 'pass-phrase-of-ann';

/** A store whose server answers so. */
async function store(context: TestContext, answer: RequestListener, login = `ann:${SECRET}@`): Promise<Store> {
  const server = await startScripted(answer);
  const opened = await openRest(`http://${login}${server.host}/`, settings({ environment: {} }));
  context.after(async () => {
    await opened.close();
    await server.stop();
  });
  return opened;
}

const status =
  (code: number, text = '', headers: Record<string, string> = {}): RequestListener =>
  (request, response) => {
    request.resume().on('end', () => response.writeHead(code, headers).end(text));
  };

async function failure(doing: Promise<unknown>): Promise<VarveError> {
  const error = await doing.then(
    () => assert.fail('it succeeds'),
    (cause) => cause,
  );
  assert.ok(error instanceof VarveError, String(error));
  const all = `${error.message} ${JSON.stringify(error)} ${error.stack} ${(error.cause as Error | undefined)?.stack}`;
  assert.ok(!all.includes(SECRET) && !all.includes(Buffer.from(`ann:${SECRET}`).toString('base64')), all);
  return error;
}

const CASES: readonly [number, string, ErrorCode, boolean, RegExp][] = [
  [400, 'hash mismatch\u001b[31m', 'storage', false, /answers 400: hash mismatch \[31m$/],
  [401, '', 'denied', false, /does not know the user "ann".*\(from the repository’s location\)/],
  [405, '', 'storage', false, /does not know POST: is it a REST server for restic\?/],
  [408, '', 'storage', true, /answers 408/],
  [413, '<html>too large</html>', 'storage', false, /rejects an object of this size.*limit/],
  [429, '', 'storage', true, /too busy \(429\)/],
  [500, 'something broke', 'storage', true, /answers 500: something broke/],
  [500, 'write /x: no space left on device', 'full', false, /no space left.*forget --prune/],
  [501, '', 'storage', false, /does not know POST/],
  [502, '<html>nginx</html>', 'storage', true, /answers 502$/],
  [503, '', 'storage', true, /too busy \(503\)/],
  [504, '', 'storage', true, /answers 504/],
  [507, '', 'full', false, /no space left.*the stored data is safe/],
];

for (const [code, text, error, retryable, message] of CASES) {
  test(`${code} ${text}: ${error}, with advice`, async (context) => {
    const failed = await failure((await store(context, status(code, text))).put('data', NAME, [Buffer.alloc(10)]));
    assert.equal(failed.code, error);
    assert.equal(failed.retryable, retryable);
    assert.match(failed.message, new RegExp(`^cannot write data/${NAME} to rest:http://ann:\\*\\*\\*@127`));
    assert.match(failed.message, message);
  });
}

test('401 without a user explains how to give one', async (context) => {
  const failed = await failure((await store(context, status(401), '')).get('config', 'config'));
  assert.match(failed.message, /rest:https:\/\/USER:PASSWORD@.*VARVE_REST_USERNAME and VARVE_REST_PASSWORD/);
});

test('403 for a removal says that removals may be forbidden', async (context) => {
  const at = await store(context, (request, response) => {
    response.writeHead(request.method === 'HEAD' ? 404 : 403).end();
  });
  const { bytes, name } = object(10);
  assert.match((await failure(at.remove('data', name))).message, /forbids it to the user "ann": it is append-only/);
  const put = await failure(at.put('data', name, [bytes]));
  assert.match(put.message, /cannot write .* forbids it to the user "ann": is the repository another user’s/);
  assert.equal(put.code, 'denied');
  assert.equal((await failure(at.put('config', 'config', [bytes]))).code, 'denied');
});

test('403 for a put is a success when the object exists', async (context) => {
  const at = await store(context, (request, response) => {
    if (request.method === 'HEAD') response.writeHead(200, { 'content-length': '10' }).end();
    else response.writeHead(403).end();
  });
  await at.put('data', NAME, [Buffer.alloc(10)]);
  const other = await failure(at.put('data', NAME, [Buffer.alloc(11)]));
  assert.equal(other.code, 'damaged');
  assert.match(other.message, /truncated \(10 bytes\).*varve check/);
});

test('a put of config fails with exists when another client wrote it', async (context) => {
  let asked = 0;
  const at = await store(context, (request, response) => {
    if (request.method === 'POST') response.writeHead(403).end();
    else response.writeHead(asked++ === 0 ? 404 : 200, { 'content-length': '0' }).end();
  });
  assert.equal((await failure(at.put('config', 'config', [Buffer.alloc(5)]))).code, 'exists');
});

test('a redirect is an error', async (context) => {
  const target = await startScripted(status(200));
  context.after(() => target.stop());
  const moved = status(301, '', { location: `http://ann:${SECRET}@${target.host}/data/x` });
  const failed = await failure((await store(context, moved)).get('data', NAME));
  assert.match(failed.message, new RegExp(`redirects to http://${target.host} \\(301\\)`));
  assert.equal(failed.retryable, false);
  assert.deepEqual(target.requests, []);
});

test('an answer must be exactly the requested range', async (context) => {
  const answers: [number, Record<string, string>, number][] = [
    [200, {}, 1000],
    [206, { 'content-range': 'bytes 11-110/1000' }, 100],
    [206, { 'content-range': 'bytes 10-109/1000' }, 99],
    [206, { 'content-range': 'bytes 10-110/1000' }, 101],
    [206, {}, 100],
    [206, { 'content-range': 'bytes 10-59/1000' }, 50],
    [204, {}, 0],
  ];
  for (const [code, headers, length] of answers) {
    const at = await store(context, status(code, 'x'.repeat(length), { ...headers, 'content-length': String(length) }));
    const failed = await failure(at.get('data', NAME, { offset: 10, length: 100 }));
    assert.equal(failed.code, 'storage', `${code} ${JSON.stringify(headers)}`);
    assert.match(failed.message, /another range|instead of 206/);
  }
  const chunked = await store(context, (_, response) => {
    response.writeHead(206, { 'content-range': 'bytes 10-109/1000' }).write('short');
    response.end();
  });
  assert.match(
    (await failure(chunked.get('data', NAME, { offset: 10, length: 100 }))).message,
    /5 bytes, asked for 100/,
  );
});

test('an object shorter than the range is damaged', async (context) => {
  const short = await store(context, status(206, 'x'.repeat(50), { 'content-range': 'bytes 10-59/60' }));
  const none = await store(context, status(416));
  for (const each of [short, none]) {
    await assert.rejects(
      each.get('data', NAME, { offset: 10, length: 100 }),
      isVarveError('damaged', new RegExp(`data/${NAME}.*varve check`)),
    );
  }
});

test('a whole object is not accepted as a range', async (context) => {
  const at = await store(context, status(206, 'part', { 'content-range': 'bytes 0-3/10' }));
  assert.match((await failure(at.get('data', NAME))).message, /206 instead of 200/);
});

test('a stated length beyond all memory is refused', async (context) => {
  const at = await store(context, (_, response) => {
    response.writeHead(200, { 'content-length': '99999999999999' }).write('x');
  });
  assert.match((await failure(at.get('data', NAME))).message, /states a length of 99999999999999 bytes/);
});

test('a complaint about wrong keys is not retried', async () => {
  const transport = {
    request: async () => ({ status: 500, headers: {}, body: Buffer.from('Internal Server Error') }),
    complaint: async () => 'rclone: ERROR : : Create repo failed to Mkdir: SignatureDoesNotMatch: status code: 403',
    close: async () => undefined,
  };
  const failed = await failure(new RestStore('rclone:there:x', transport).create());
  assert.equal(failed.code, 'denied');
  assert.equal(failed.retryable, false);
  assert.match(
    failed.message,
    /cannot create rclone:there:x: .*SignatureDoesNotMatch.*does the remote have the right keys\?/,
  );
});

test('a path that the server rejects is an error', async (context) => {
  const failed = await failure((await store(context, status(404))).create());
  assert.match(failed.message, /cannot create .*rejects that path: is it right/);
});
