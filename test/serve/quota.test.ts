import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { object } from '../storage/conformance.js';
import { ask, create, filesBelow, post, scratchFolder, startServer } from './running.js';

const NONE = { byUser: new Map() };

test('the quota of the server: what would go beyond is refused, leaves nothing, and what is deleted makes room', async () => {
  const server = await startServer({ quota: { ...NONE, all: 10_000 } });
  await create(server);
  const first = await post(server, 9000);
  const second = await post(server, 1001);
  assert.equal(second.answer.status, 507);
  assert.match(second.answer.reason, /quota/);
  assert.equal(filesBelow(server.root).length, 1);
  assert.equal((await post(server, 1000)).answer.status, 200);
  await ask(server, 'DELETE', first.path);
  await ask(server, 'DELETE', first.path);
  assert.equal((await post(server, 9001)).answer.status, 507);
  assert.equal((await post(server, 9000)).answer.status, 200);
});

test('a full quota lets locks pass, so that what is there can be restored', async () => {
  const server = await startServer({ quota: { ...NONE, all: 0 } });
  await create(server);
  assert.equal((await post(server, 200, '/snapshots/')).answer.status, 507);
  assert.equal((await post(server, 200, '/locks/')).answer.status, 200);
  assert.equal((await post(server, 2 ** 20, '/locks/')).answer.status, 507);
});

test('uploads that fail do not count', async () => {
  const server = await startServer({ quota: { ...NONE, all: 1000 } });
  await create(server);
  for (let attempt = 0; attempt < 3; attempt++) {
    const { name } = object(10);
    assert.equal((await ask(server, 'POST', `/data/${name}`, { body: Buffer.alloc(900) })).status, 400);
  }
  assert.equal((await post(server, 1000)).answer.status, 200);
});

test('what was there before counts, user by user', async () => {
  const before = await startServer();
  await create(before, '/anna/laptop/');
  await create(before, '/eve/');
  await post(before, 800, '/anna/laptop/data/');
  await before.server.stop(0);
  const users = { anna: 'a', eve: 'e', bob: 'b' };
  const quota = { eachUser: 1000, byUser: new Map([['bob', 50]]), all: 2000 };
  const access = { privateRepositories: true };
  const server = await startServer({ root: before.root, users, access, quota });
  await create(server, '/bob/', { as: 'bob:b' });
  const status = async (user: keyof typeof users, length: number): Promise<number> =>
    (await post(server, length, `/${user}/keys/`, { as: `${user}:${users[user]}` })).answer.status;
  await create(server, '/anna/', { as: 'anna:a' });
  assert.equal(await status('anna', 201), 507);
  assert.equal(await status('anna', 200), 200);
  assert.equal(await status('bob', 51), 507);
  assert.equal(await status('bob', 50), 200);
  assert.equal(await status('eve', 1000), 507, 'the server as a whole has no more');
  assert.equal(await status('eve', 700), 200);
});

test('a body without a length is cut where the quota ends', async () => {
  const server = await startServer({ quota: { ...NONE, all: 100_000 } });
  await create(server);
  const { name, bytes } = object(400_000);
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const request = http.request({ port: server.port, method: 'POST', path: `/data/${name}` }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('error', reject);
    request.write(bytes.subarray(0, 90_000));
    request.end(bytes.subarray(90_000));
  });
  assert.equal(status, 507);
  assert.deepEqual(filesBelow(server.root), []);
  assert.equal((await post(server, 100_000)).answer.status, 200);
});

test('a disk that is full is told, and nothing is left of what was begun', async (t) => {
  const root = join(scratchFolder(), 'disk');
  mkdirSync(root);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', root]).status !== 0)
    return t.skip('no small disk can be mounted here');
  after(() => spawnSync('umount', ['-l', root]));
  const server = await startServer({ root });
  await create(server);
  assert.equal((await post(server, 2 ** 20)).answer.status, 200);
  const { answer } = await post(server, 6 * 2 ** 20);
  assert.equal(answer.status, 507);
  assert.match(answer.reason, /disk of the server is full/);
  assert.equal(filesBelow(root).length, 1);
  assert.equal((await post(server, 2 ** 20)).answer.status, 200);
});
