import assert from 'node:assert/strict';
import { readdirSync, utimesSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { startVarveServe } from '../servers/varve-serve.js';
import { names, object } from '../storage/conformance.js';
import { ask, create, filesBelow, post, type Running, scratchDirectory, until } from './running.js';

const at = (host: string): Running => ({ port: Number(host.split(':')[1]) }) as Running;

test('serve leaves the repository as it was when it is killed during uploads', async () => {
  const directory = scratchDirectory();
  const killed = await startVarveServe(directory, undefined);
  await create(at(killed.host));
  const whole = await post(at(killed.host), 100_000);
  assert.equal(whole.answer.status, 200);
  const config = Buffer.alloc(500_000, 'c');
  const { name, bytes } = object(500_000);
  const [host = '', port = ''] = killed.host.split(':');
  for (const path of [`/data/${name}`, '/config']) {
    const socket = net.connect(Number(port), host);
    socket.on('error', () => undefined);
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n`);
    socket.write(bytes.subarray(0, 400_000));
  }
  const temporaries = (): string[] => filesBelow(directory).filter((path) => path.includes('.tmp-'));
  await until(() => temporaries().length === 2, 'both uploads have begun');
  await killed.kill();

  const store = new LocalStore(directory);
  assert.deepEqual(await names(store, 'data'), [whole.name]);
  assert.deepEqual(await store.get('data', whole.name), whole.bytes);
  assert.equal(await store.stat('config', 'config'), undefined);

  const server = await startVarveServe(directory, undefined);
  assert.equal((await ask(at(server.host), 'POST', `/data/${name}`, { body: bytes })).status, 200);
  assert.equal((await ask(at(server.host), 'POST', '/config', { body: config })).status, 200);
  for (const path of temporaries()) utimesSync(join(directory, path), 0, 0);
  await ask(at(server.host), 'GET', '/data/');
  assert.deepEqual(
    readdirSync(join(directory, 'data', name.slice(0, 2))),
    [name],
    'a later listing removes what is older than a day',
  );
  await server.stop();
});
