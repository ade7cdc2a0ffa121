import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { names, object } from '../storage/conformance.js';
import { type Answer, ask, create, filesBelow, post, startServer, V2 } from './running.js';

const json = ({ body }: Answer): unknown => JSON.parse(body.toString());

test('serve returns an object as it was stored when a local store opens the repository too', async () => {
  const server = await startServer();
  await create(server, '/anna/laptop/');
  const { name, bytes, path, answer } = await post(server, 300_000, '/anna/laptop/data/');
  assert.equal(answer.status, 200);
  const got = await ask(server, 'GET', path);
  assert.equal(got.status, 200);
  assert.deepEqual(got.body, bytes);
  const head = await ask(server, 'HEAD', path);
  assert.equal(head.headers['content-length'], '300000');

  const local = new LocalStore(join(server.root, 'anna/laptop'));
  assert.deepEqual(await local.get('data', name), bytes);
  assert.equal(existsSync(join(server.root, 'anna/laptop/data', name.slice(0, 2), name)), true);

  assert.equal((await ask(server, 'DELETE', path)).status, 200);
  assert.equal((await ask(server, 'DELETE', path)).status, 200, 'deleting a missing object');
  assert.equal((await ask(server, 'GET', path)).status, 404);
  assert.equal((await ask(server, 'HEAD', path)).status, 404);
});

test('serve returns objects when a local store wrote them', async () => {
  const server = await startServer();
  const local = new LocalStore(server.root);
  await local.create();
  const { name, bytes } = object(5000);
  await local.put('index', name, [bytes]);
  assert.deepEqual((await ask(server, 'GET', `/index/${name}`)).body, bytes);
});

test('serve lists sizes or names, and only objects, when version 2 or 1 is asked for', async () => {
  const server = await startServer();
  await create(server);
  for (const type of ['data', 'keys', 'snapshots']) {
    const [first, second] = [await post(server, 100, `/${type}/`), await post(server, 0, `/${type}/`)];
    const directory = join(server.root, type === 'data' ? `data/${first.name.slice(0, 2)}` : type);
    writeFileSync(join(directory, '.tmp-0123456789abcdef'), 'half');
    writeFileSync(join(directory, 'notes.txt'), 'not an object');
    const two = await ask(server, 'GET', `/${type}/`, { headers: { Accept: V2 } });
    assert.equal(two.headers['content-type'], V2);
    const bySize = (json(two) as { name: string; size: number }[]).sort((a, b) => b.size - a.size);
    assert.deepEqual(bySize, [
      { name: first.name, size: 100 },
      { name: second.name, size: 0 },
    ]);
    const one = await ask(server, 'GET', `/${type}/`);
    assert.equal(one.headers['content-type'], 'application/vnd.x.restic.rest.v1');
    assert.deepEqual((json(one) as string[]).sort(), [first.name, second.name].sort());
  }
  assert.deepEqual(json(await ask(server, 'GET', '/locks/', { headers: { Accept: V2 } })), []);
  assert.equal((await ask(server, 'GET', '/nobody/locks/')).status, 404);
});

test('serve sends the whole list when it is long', async () => {
  const server = await startServer();
  await create(server);
  const all = new Set<string>();
  for (let at = 0; at < 2000; at++) {
    const name = at.toString(16).padStart(64, '0');
    writeFileSync(join(server.root, 'locks', name), 'x');
    all.add(name);
  }
  const listed = json(await ask(server, 'GET', '/locks/', { headers: { Accept: V2 } })) as { name: string }[];
  assert.deepEqual(new Set(listed.map(({ name }) => name)), all);
});

test('serve sends parts of objects when the request has a range', async () => {
  const server = await startServer();
  await create(server);
  const { bytes, path } = await post(server, 700_000);
  const part = async (range: string): Promise<[number, Buffer, string | undefined]> => {
    const { status, body, headers } = await ask(server, 'GET', path, { headers: { Range: range } });
    return [status, body, headers['content-range']];
  };
  assert.deepEqual(await part('bytes=0-0'), [206, bytes.subarray(0, 1), 'bytes 0-0/700000']);
  assert.deepEqual(await part('bytes=10-599999'), [206, bytes.subarray(10, 600_000), 'bytes 10-599999/700000']);
  assert.deepEqual(await part('bytes=699999-'), [206, bytes.subarray(699_999), 'bytes 699999-699999/700000']);
  assert.deepEqual(await part('bytes=699990-800000'), [206, bytes.subarray(699_990), 'bytes 699990-699999/700000']);
  assert.deepEqual(await part('bytes=-5'), [206, bytes.subarray(-5), 'bytes 699995-699999/700000']);
  assert.deepEqual(await part('bytes=-999999'), [206, bytes, 'bytes 0-699999/700000']);
  for (const past of ['bytes=700000-', 'bytes=700000-700001', 'bytes=-0', 'bytes=999999999999999-']) {
    const [status, , contentRange] = await part(past);
    assert.deepEqual([past, status, contentRange], [past, 416, 'bytes */700000']);
  }
  for (const odd of ['bytes=5-2', 'bytes=0-1,4-5', 'bytes=-', 'lines=1-2', 'bytes=a-b', 'bytes=1-2;', 'bytes=0x1-2'])
    assert.equal((await part(odd))[0], 200, odd);
});

test('serve answers 403 when an object already exists', async () => {
  const server = await startServer();
  await create(server);
  const { bytes, path } = await post(server, 1000);
  assert.equal((await ask(server, 'POST', path, { body: bytes })).status, 403);
  assert.equal((await ask(server, 'POST', '/config', { body: Buffer.from('one') })).status, 200);
  assert.equal((await ask(server, 'POST', '/config', { body: Buffer.from('two') })).status, 403);
  assert.equal(readFileSync(join(server.root, 'config'), 'utf8'), 'one');
  assert.equal((await ask(server, 'DELETE', '/config')).status, 200);
  assert.equal((await ask(server, 'HEAD', '/config')).status, 404);
});

test('serve stores one upload and leaves nothing of the others when they upload the same object at once', async () => {
  const server = await startServer();
  await create(server);
  for (const path of ['config', `data/${object(0).name}`]) {
    const { name, bytes } = object(400_000);
    const target = path === 'config' ? '/config' : `/data/${name}`;
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask(server, 'POST', target, { body: bytes })));
    const statuses = answers.map(({ status }) => status).sort();
    assert.deepEqual(statuses, [200, 403, 403, 403, 403, 403]);
    assert.deepEqual((await ask(server, 'GET', target)).body, bytes);
  }
  assert.equal(filesBelow(server.root).length, 2);
});

test('serve refuses an upload and leaves nothing when its SHA-256 differs from its name', async () => {
  const server = await startServer();
  await create(server);
  const { name } = object(10);
  const answer = await ask(server, 'POST', `/data/${name}`, { body: Buffer.from('something else') });
  assert.equal(answer.status, 400);
  assert.match(answer.reason, /SHA-256/);
  assert.deepEqual(filesBelow(server.root), []);

  const trusting = await startServer({ verifyUploads: false });
  await create(trusting);
  assert.equal((await ask(trusting, 'POST', `/data/${name}`, { body: Buffer.from('something else') })).status, 200);
});

test('serve stores a body when its length is not declared', async () => {
  const server = await startServer();
  await create(server);
  const { name, bytes } = object(300_000);
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const request = http.request({ port: server.port, method: 'POST', path: `/data/${name}` }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('error', reject);
    request.write(bytes.subarray(0, 1000));
    request.end(bytes.subarray(1000));
  });
  assert.equal(status, 200);
  assert.deepEqual((await ask(server, 'GET', `/data/${name}`)).body, bytes);
});

test('serve sends 100 Continue when the client waits for it and the request is allowed', async () => {
  const server = await startServer();
  await create(server);
  const { name, bytes } = object(1000);
  const attempt = (): Promise<{ status: number | undefined; asked: boolean }> =>
    new Promise((resolve, reject) => {
      let asked = false;
      const headers = { Expect: '100-continue', 'Content-Length': bytes.length };
      const request = http.request({ port: server.port, method: 'POST', path: `/data/${name}`, headers });
      request.on('continue', () => {
        asked = true;
        request.end(bytes);
      });
      request.on('response', (response) => {
        response.resume();
        resolve({ status: response.statusCode, asked });
        request.destroy();
      });
      request.on('error', reject);
      request.flushHeaders();
    });
  assert.deepEqual(await attempt(), { status: 200, asked: true });
  assert.deepEqual(await attempt(), { status: 403, asked: false });
});

test('serve rejects methods when the protocol does not have them', async () => {
  const server = await startServer();
  await create(server);
  const { path } = await post(server, 10);
  for (const method of ['PUT', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND']) {
    const answer = await ask(server, method, path);
    assert.deepEqual([method, answer.status, answer.headers.allow], [method, 405, 'HEAD, GET, POST, DELETE']);
  }
  assert.equal((await ask(server, 'DELETE', '/data/')).status, 405);
  assert.equal((await ask(server, 'GET', '/')).status, 405);
  assert.equal((await ask(server, 'DELETE', '/')).status, 405);
  assert.equal((await ask(server, 'POST', '/')).status, 400);
  assert.equal((await ask(server, 'POST', '/?create=false')).status, 400);
});

test('serve changes nothing when an existing repository is created', async () => {
  const server = await startServer();
  await create(server, '/deep/below/others/');
  const { path, bytes } = await post(server, 10, '/deep/below/others/keys/');
  await create(server, '/deep/below/others/');
  assert.deepEqual((await ask(server, 'GET', path)).body, bytes);
});

test('serve makes missing directories of a repository again, but not when the whole repository is missing', async () => {
  const server = await startServer();
  await create(server, '/anna/');
  rmSync(join(server.root, 'anna/data'), { recursive: true });
  assert.equal((await post(server, 10, '/anna/data/')).answer.status, 200);
  assert.equal((await post(server, 10, '/eve/data/')).answer.status, 404);
  assert.equal((await ask(server, 'POST', '/eve/config', { body: Buffer.from('x') })).status, 404);
  assert.equal(existsSync(join(server.root, 'eve')), false);
});

test('serve deletes only locks when it is append-only, and does all else', async () => {
  for (const access of [{ appendOnly: true }, { appendOnlyUsers: new Set(['web1']) }]) {
    const server = await startServer({ users: { web1: 'secret', admin: 'secret' }, access });
    const as = 'web1:secret';
    await create(server, '/', { as });
    assert.equal((await ask(server, 'POST', '/config', { as, body: Buffer.from('x') })).status, 200);
    for (const type of ['data', 'index', 'keys', 'snapshots', 'locks']) {
      const { path, answer } = await post(server, 10, `/${type}/`, { as });
      assert.equal(answer.status, 200);
      const removed = await ask(server, 'DELETE', path, { as });
      assert.equal(removed.status, type === 'locks' ? 200 : 403, type);
      if (type !== 'locks') assert.match(removed.reason, /append-only/);
    }
    assert.equal((await ask(server, 'DELETE', '/config', { as })).status, 403);
    const byOther = await ask(server, 'DELETE', '/config', { as: 'admin:secret' });
    assert.equal(byOther.status, 'appendOnly' in access ? 403 : 200);
  }
});

test('serve restricts users to the directory of their name when repositories are private', async () => {
  const server = await startServer({ users: { anna: 'a', eve: 'e' }, access: { privateRepositories: true } });
  await create(server, '/anna/', { as: 'anna:a' });
  await create(server, '/anna/laptop/', { as: 'anna:a' });
  for (const path of ['/', '/anna/', '/anna/laptop/', '/annaeve/', '/Eve/'])
    assert.equal((await ask(server, 'POST', `${path}?create=true`, { as: 'eve:e' })).status, 403, path);
  const { path } = await post(server, 10, '/anna/data/', { as: 'anna:a' });
  for (const method of ['GET', 'HEAD', 'DELETE'])
    assert.equal((await ask(server, method, path, { as: 'eve:e' })).status, 403);
  assert.equal((await ask(server, 'GET', '/anna/data/', { as: 'eve:e' })).status, 403);
  assert.equal((await ask(server, 'GET', path, { as: 'anna:a' })).status, 200);
});

test('serve follows a directory when it is a link', async () => {
  const server = await startServer();
  const elsewhere = await startServer();
  mkdirSync(join(elsewhere.root, 'disk2'));
  const { symlinkSync } = await import('node:fs');
  symlinkSync(join(elsewhere.root, 'disk2'), join(server.root, 'anna'));
  await create(server, '/anna/');
  const { name } = await post(server, 10, '/anna/keys/');
  assert.deepEqual(await names(new LocalStore(join(elsewhere.root, 'disk2')), 'keys'), [name]);
});
