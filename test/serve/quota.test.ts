import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { object } from '../storage/conformance.js';
import { ask, BLOCK, create, EMPTY, filesBelow, post, scratchDirectory, startServer, until } from './running.js';

const NONE = { byUser: new Map() };

test('Quota refuses uploads when they exceed it, and subtracts what is deleted', async () => {
  const server = await startServer({ quota: { ...NONE, all: EMPTY + 10 * BLOCK } });
  await create(server);
  const first = await post(server, 9 * BLOCK - 5);
  const second = await post(server, BLOCK + 1);
  assert.equal(second.answer.status, 507);
  assert.match(second.answer.reason, /quota/);
  assert.equal(filesBelow(server.root).length, 1);
  assert.equal((await post(server, 1)).answer.status, 200);
  await ask(server, 'DELETE', first.path);
  await ask(server, 'DELETE', first.path);
  assert.equal((await post(server, 9 * BLOCK + 1)).answer.status, 507);
  assert.equal((await post(server, 9 * BLOCK)).answer.status, 200);
});

test('Quota accepts locks when it is exceeded, so that restores still work', async () => {
  const server = await startServer({ quota: { ...NONE, all: EMPTY } });
  await create(server);
  assert.equal((await post(server, 200, '/snapshots/')).answer.status, 507);
  assert.equal((await post(server, 200, '/locks/')).answer.status, 200);
  assert.equal((await post(server, 2 ** 20, '/locks/')).answer.status, 507);
});

test('Quota does not count uploads when they fail', async () => {
  const server = await startServer({ quota: { ...NONE, all: EMPTY + BLOCK } });
  await create(server);
  for (let attempt = 0; attempt < 3; attempt++) {
    const { name } = object(10);
    assert.equal((await ask(server, 'POST', `/data/${name}`, { body: Buffer.alloc(900) })).status, 400);
  }
  assert.equal((await post(server, BLOCK)).answer.status, 200);
});

test('Quota counts each directory once when a repository is created', async () => {
  const server = await startServer({ quota: { ...NONE, all: 2 * (EMPTY + BLOCK) } });
  for (let time = 0; time < 3; time++) await create(server, '/one/');
  await create(server, '/two/');
  assert.equal((await ask(server, 'POST', '/three/?create=true')).status, 507);
  assert.deepEqual(readdirSync(server.root).sort(), ['one', 'two']);
});

test('Quota reserves nothing when a client announces a length and never sends it', async () => {
  const server = await startServer({ quota: { ...NONE, all: EMPTY + 100 * BLOCK } });
  await create(server);
  const { name } = object(100 * BLOCK);
  const headers = { 'Content-Length': String(100 * BLOCK) };
  const silent = http.request({ port: server.port, method: 'POST', path: `/data/${name}`, headers });
  silent.on('error', () => undefined);
  silent.write('a');
  await until(() => filesBelow(server.root).length === 1, 'the upload has begun');
  assert.equal((await post(server, 50 * BLOCK)).answer.status, 200);
  silent.destroy();
});

test('Quota counts what each user has stored when the server starts', async () => {
  const before = await startServer();
  await create(before, '/anna/laptop/');
  await create(before, '/eve/');
  await post(before, 8 * BLOCK, '/anna/laptop/data/');
  await before.server.stop(0);
  const users = { anna: 'a', eve: 'e', bob: 'b' };
  const each = 2 * EMPTY + 12 * BLOCK;
  const quota = { eachUser: each, byUser: new Map([['bob', EMPTY + 2 * BLOCK]]), all: 4 * EMPTY + 28 * BLOCK };
  const access = { privateRepositories: true };
  const server = await startServer({ root: before.root, users, access, quota });
  await create(server, '/bob/', { as: 'bob:b' });
  const status = async (user: keyof typeof users, blocks: number): Promise<number> =>
    (await post(server, blocks * BLOCK, `/${user}/keys/`, { as: `${user}:${users[user]}` })).answer.status;
  await create(server, '/anna/', { as: 'anna:a' });
  assert.equal(await status('anna', 3), 507, 'the directories of /anna and /anna/laptop count too');
  assert.equal(await status('anna', 2), 200);
  assert.equal(await status('bob', 2), 507);
  assert.equal(await status('bob', 1), 200);
  // Of 28 blocks: the directories of users and laptop, the password file, and what anna and bob stored.
  const left = 28 - 4 - 1 - 8 - 2 - 1;
  assert.equal(await status('eve', left + 1), 507, 'the quota of the server is exceeded');
  assert.equal(await status('eve', left), 200);
});

test('serve aborts a body without a length when it exceeds the quota', async () => {
  const server = await startServer({ quota: { ...NONE, all: EMPTY + 25 * BLOCK } });
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
  assert.equal((await post(server, 25 * BLOCK)).answer.status, 200);
});

test('serve answers 507 and leaves nothing when the disk is full', async (t) => {
  const root = join(scratchDirectory(), 'disk');
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
