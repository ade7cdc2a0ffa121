import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Connections } from '../../src/serve/connections.js';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { object } from '../storage/conformance.js';
import { ask, BLOCK, create, EMPTY, filesBelow, post, raw, scratchDirectory, startServer, until } from './running.js';
import { TRAVERSALS } from './traversals.js';

const NAME = 'a'.repeat(64);

test('serve refuses paths when they lead outside or name no object', async () => {
  const directory = scratchDirectory();
  const root = join(directory, 'served');
  mkdirSync(root);
  writeFileSync(join(directory, 'config'), 'outside');
  writeFileSync(join(root, '.htpasswd'), 'secret');
  const server = await startServer({ root });
  await create(server);
  const before = filesBelow(directory);
  for (const path of TRAVERSALS) {
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE']) {
      const line = await raw(server, `${method} ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx`);
      assert.match(line, /^HTTP\/1\.1 (400|404|405) /, `${method} ${path}`);
    }
    const line = await raw(server, `POST ${path}?create=true HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`);
    assert.match(line, /^HTTP\/1\.1 (400|404) /, `create ${path}`);
  }
  assert.deepEqual(filesBelow(directory), before);
});

test('serve answers 404 when an object is a link or a pipe', async () => {
  const server = await startServer();
  await create(server);
  const outside = join(scratchDirectory(), 'outside');
  writeFileSync(outside, 'secret');
  symlinkSync(outside, join(server.root, 'config'));
  symlinkSync(outside, join(server.root, 'keys', NAME));
  execFileSync('mkfifo', [join(server.root, 'locks', NAME)]);
  mkdirSync(join(server.root, 'index', NAME));
  for (const path of ['/config', `/keys/${NAME}`, `/locks/${NAME}`, `/index/${NAME}`]) {
    assert.equal((await ask(server, 'GET', path)).status, 404, path);
    assert.equal((await ask(server, 'HEAD', path)).status, 404, path);
  }
});

test('serve refuses headers when they are too long or give contradictory lengths', async () => {
  const server = await startServer();
  await create(server);
  const long = await raw(server, `GET /config HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
  assert.match(long, /^HTTP\/1\.1 431 /);
  const both = 'Content-Length: 5\r\nTransfer-Encoding: chunked';
  assert.match(
    await raw(server, `POST /data/${NAME} HTTP/1.1\r\nHost: x\r\n${both}\r\n\r\n0\r\n\r\n`),
    /^HTTP\/1\.1 400 /,
  );
  const twice = 'Content-Length: 5\r\nContent-Length: 6';
  assert.match(
    await raw(server, `POST /data/${NAME} HTTP/1.1\r\nHost: x\r\n${twice}\r\n\r\n12345`),
    /^HTTP\/1\.1 400 /,
  );
  const negative = await raw(server, `POST /data/${NAME} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n`);
  assert.match(negative, /^HTTP\/1\.1 400 /);
  assert.deepEqual(filesBelow(server.root), []);
});

test('serve leaves nothing of an upload when its connection breaks', async () => {
  const server = await startServer();
  await create(server);
  const { name, bytes } = object(100_000);
  const head = `POST /data/${name} HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes.length}\r\n\r\n`;
  const socket = net.connect(server.port, '127.0.0.1');
  socket.write(head);
  socket.write(bytes.subarray(0, 50_000));
  await until(() => filesBelow(server.root).length === 1, 'the upload has begun');
  socket.destroy();
  await until(() => filesBelow(server.root).length === 0, 'nothing is left');
  await until(() => server.records.some(({ aborted }) => aborted), 'the request is logged');

  await raw(server, head + bytes.subarray(0, 99_999).toString('latin1'), true);
  await until(() => server.records.length === 3, 'the second upload is over');
  await until(() => filesBelow(server.root).length === 0, 'nothing is left of it');
  assert.deepEqual(
    server.records.map(({ aborted }) => aborted),
    [false, true, true],
  );
  assert.equal((await ask(server, 'POST', `/data/${name}`, { body: bytes })).status, 200);
});

test('serve gives up a client when it sends a byte now and then', async () => {
  const server = await startServer({ idleTimeout: 300 });
  await create(server);
  const socket = net.connect(server.port, '127.0.0.1');
  let answer = '';
  socket.setEncoding('latin1').on('data', (part) => {
    answer += part;
  });
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(`POST /data/${NAME} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n`);
  const timer = setInterval(() => socket.write('x'), 20);
  await closed;
  clearInterval(timer);
  assert.match(answer, /^HTTP\/1\.1 408 /);
  await until(() => filesBelow(server.root).length === 0, 'nothing is left');
});

test('serve gives up a client when it reads a byte now and then', async () => {
  const server = await startServer({ idleTimeout: 300 });
  await create(server);
  const { path, answer } = await post(server, 24 * 1024 * 1024);
  assert.equal(answer.status, 200);
  const socket = net.connect(server.port, '127.0.0.1');
  socket.on('error', () => undefined).pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await until(
    () => server.records.some(({ method, aborted }) => method === 'GET' && aborted),
    'the server gives up the download',
  );
  socket.destroy();
});

test('serve lets an upload take long when it progresses steadily', async () => {
  const server = await startServer({ idleTimeout: 250 });
  await create(server);
  const { name, bytes } = object(20 * 20_000);
  const socket = net.connect(server.port, '127.0.0.1');
  socket.write(`POST /data/${name} HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes.length}\r\n\r\n`);
  for (let at = 0; at < bytes.length; at += 20_000) {
    socket.write(bytes.subarray(at, at + 20_000));
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  await until(
    () =>
      server.records.some(
        ({ status, method, aborted }) => status === 200 && method === 'POST' && !aborted && server.records.length > 1,
      ),
    'the object is stored',
  );
  socket.destroy();
  assert.deepEqual(await new LocalStore(server.root).get('data', name), bytes);
});

test('serve answers and keeps the connection when it refuses a request whose long body is under way', async () => {
  const server = await startServer();
  await create(server);
  const { path, bytes } = await post(server, 8 * 1024 * 1024);
  const socket = net.connect(server.port, '127.0.0.1');
  let answers = '';
  socket.setEncoding('latin1').on('data', (part) => {
    answers += part;
  });
  socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes.length}\r\n\r\n`);
  socket.write(bytes);
  socket.write('GET /keys/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await new Promise((resolve) => socket.once('close', resolve));
  assert.match(answers, /^HTTP\/1\.1 403 .*HTTP\/1\.1 200 /s);
});

test('serve closes the connection when it refuses a body without an end', async () => {
  const server = await startServer();
  await create(server);
  const { path } = await post(server, 10);
  const socket = net.connect(server.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`);
  const piece = Buffer.concat([Buffer.from('100000\r\n'), randomBytes(0x100000), Buffer.from('\r\n')]);
  let open = true;
  socket.once('close', () => {
    open = false;
  });
  for (let sent = 0; open && sent < 200; sent++)
    await new Promise<void>((resolve) => {
      socket.write(piece, () => resolve());
      socket.once('close', () => resolve());
    });
  await until(() => !open, 'the server closes the connection');
});

test('serve refuses requests when they are for a proxy or from a web page', async () => {
  const server = await startServer();
  await create(server);
  const proxied = await raw(server, 'GET http://user:secret@elsewhere/config HTTP/1.1\r\nHost: x\r\n\r\n');
  assert.match(proxied, /^HTTP\/1\.1 400 /);
  const fromPage = await ask(server, 'POST', '/evil/?create=true', { headers: { Origin: 'https://evil.example' } });
  assert.equal(fromPage.status, 403);
  assert.equal(
    (await raw(server, 'GET /config HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')).slice(
      0,
      12,
    ),
    'HTTP/1.1 404',
  );
  assert.equal(await raw(server, 'CONNECT elsewhere:443 HTTP/1.1\r\nHost: x\r\n\r\n'), '');
});

test('serve accepts other clients when one address holds all connections and is silent', async () => {
  const server = await startServer({ users: { anna: 'a' } });
  await create(server, '/', { as: 'anna:a' });
  const silent = Array.from({ length: 300 }, () =>
    net.connect({ host: '127.0.0.1', port: server.port, localAddress: '127.0.0.2' }),
  );
  for (const socket of silent) socket.on('error', () => undefined);
  try {
    await Promise.all(silent.slice(-40).map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    for (let count = 0; count < 5; count++)
      assert.equal((await ask(server, 'GET', '/keys/', { as: 'anna:a' })).status, 200);
  } finally {
    for (const socket of silent) socket.destroy();
  }
});

test('Connections evicts the oldest connection without a login, of the busiest address, when it is full', () => {
  class FakeSocket extends EventEmitter {
    readonly remoteAddress: string;
    readonly remotePort: number;
    destroyed = false;

    constructor(address: string, port: number) {
      super();
      this.remoteAddress = address;
      this.remotePort = port;
    }

    destroy(): void {
      this.destroyed = true;
      this.emit('close');
    }
  }
  let refused = 0;
  const connections = new Connections(4, () => refused++);
  const open = (address: string, port: number): FakeSocket => {
    const socket = new FakeSocket(address, port);
    connections.add(socket as unknown as net.Socket);
    return socket;
  };
  const anna = open('192.0.2.1', 1);
  const first = open('198.51.100.1', 1);
  const second = open('198.51.100.1', 2);
  const eve = open('192.0.2.2', 1);
  connections.admit(anna as unknown as net.Socket);
  open('198.51.100.1', 3);
  assert.deepEqual(
    [anna, first, second, eve].map(({ destroyed }) => destroyed),
    [false, true, false, false],
  );
  assert.equal(connections.size, 4);
  for (const port of [3, 2]) connections.admit(new FakeSocket('198.51.100.1', port) as unknown as net.Socket);
  connections.admit(eve as unknown as net.Socket);
  assert.equal(open('192.0.2.3', 1).destroyed, true);
  assert.equal(refused, 1);
  anna.destroy();
  assert.equal(connections.size, 3);
});

test('serve reads a body to its end and keeps the connection when it refuses the body in the middle', async () => {
  const server = await startServer({ quota: { all: EMPTY + 25 * BLOCK, byUser: new Map() } });
  await create(server);
  const socket = net.connect(server.port, '127.0.0.1');
  let answers = '';
  socket.setEncoding('latin1').on('data', (part) => {
    answers += part;
  });
  const chunk = `${(200_000).toString(16)}\r\n${'x'.repeat(200_000)}\r\n`;
  socket.write(`POST /data/${NAME} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}`);
  await until(() => answers.includes('507 Insufficient Storage'), 'the upload is refused');
  socket.write(`${chunk}${chunk}0\r\n\r\n`);
  socket.write('GET /keys/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await new Promise((resolve) => socket.once('close', resolve));
  assert.match(answers, / 507 .* 200 OK/s);
  assert.deepEqual(filesBelow(server.root), []);
});

test('stop ends the server when clients hang', async () => {
  const server = await startServer();
  await create(server);
  const sockets = [`POST /data/${NAME} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n`, 'GET', ''].map((begun) => {
    const socket = net.connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    if (begun !== '') socket.write(begun);
    return new Promise((resolve) => socket.once('close', resolve));
  });
  await until(() => filesBelow(server.root).length === 1, 'the upload has begun');
  await server.server.stop(100);
  await Promise.all(sockets);
  await until(() => filesBelow(server.root).length === 0, 'nothing is left of it');
});
