import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import { openRest } from '../../../src/storage/rest/open.js';
import type { ObjectInfo, Store } from '../../../src/storage/store.js';
import { isVarveError } from '../../errors/expect-error.js';
import { type Scripted, startScripted } from '../../servers/scripted.js';
import { settings } from '../transport/settings.js';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', '0'].map((letter) => letter.repeat(64));

async function open(context: TestContext, answer: RequestListener): Promise<{ store: Store; server: Scripted }> {
  const server = await startScripted(answer);
  const store = await openRest(`http://${server.host}/`, settings({ environment: {} }));
  context.after(async () => {
    await store.close();
    await server.stop();
  });
  return { store, server };
}

async function all(store: Store): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for await (const info of store.list('data')) found.push(info);
  return found;
}

test('a list with sizes takes one request', async (context) => {
  let accepted: string | undefined;
  const { store, server } = await open(context, (request, response) => {
    accepted = request.headers.accept;
    response.end(JSON.stringify([...NAMES.map((name, size) => ({ name, size })), { name: 'README', size: 5 }]));
  });
  assert.deepEqual(
    await all(store),
    NAMES.map((name, size) => ({ name, size })),
  );
  assert.deepEqual(server.requests, ['GET /data/']);
  assert.equal(accepted, 'application/vnd.x.restic.rest.v2');
});

test('a list of names asks for sizes, and skips objects that are gone', async (context) => {
  const { store } = await open(context, (request, response) => {
    const at = NAMES.findIndex((name) => request.url === `/data/${name}`);
    if (request.method === 'GET') response.end(JSON.stringify([...NAMES, 'README']));
    else if (at === 3) response.writeHead(404).end();
    else response.writeHead(200, { 'content-length': String(at) }).end();
  });
  assert.deepEqual(
    await all(store),
    NAMES.map((name, size) => ({ name, size })).filter(({ size }) => size !== 3),
  );
});

test('a missing directory is an empty list, except for rclone’s error', async (context) => {
  let server = {};
  const { store } = await open(context, (_, response) => {
    response.writeHead(404, server).end();
  });
  assert.deepEqual(await all(store), []);
  server = { server: 'rclone/v1.60.1' };
  await assert.rejects(all(store), (error) => {
    isVarveError('storage', /cannot list data of rest:http:.*rclone failed/)(error);
    return (error as { retryable: boolean }).retryable;
  });
});

test('null counts as an empty list', async (context) => {
  const { store } = await open(context, (_, response) => void response.end('null'));
  assert.deepEqual(await all(store), []);
});

for (const hostile of [
  '<html>',
  '{}',
  '[1]',
  '[null]',
  '[{"name":5,"size":1}]',
  '[{"name":"x"}]',
  '[{"name":"x","size":-1}]',
  '[{"name":"x","size":1e99}]',
  '"x"',
  '',
]) {
  test(`${hostile} is not a list`, async (context) => {
    const { store } = await open(context, (_, response) => void response.end(hostile));
    await assert.rejects(
      all(store),
      isVarveError('storage', /cannot list data .* not a list of objects: is it a REST server/),
    );
  });
}

test('the store uses the server’s clock', async (context) => {
  const { store, server } = await open(context, (_, response) => {
    response.writeHead(404, { date: 'Fri, 01 Mar 2024 12:00:00 GMT' }).end();
  });
  const passed = (await store.now()) - Date.UTC(2024, 2, 1, 12) / 1000;
  // The store adds the time since the answer.
  assert.ok(passed >= 0 && passed < 60, `${passed} s`);
  assert.deepEqual(server.requests, ['HEAD /config']);
});
