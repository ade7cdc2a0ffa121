import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, PassThrough } from 'node:stream';
import { after, test } from 'node:test';
import { agentsFor } from '../../../src/storage/transport/agents.js';
import { startChild } from '../../../src/storage/transport/child.js';
import { Pipes } from '../../../src/storage/transport/pipes.js';
import { Throttle, ThrottledDuplex, throttlesOf } from '../../../src/storage/transport/throttle.js';
import { makeCertificates } from './certificates.js';
import { settings } from './settings.js';

const scratch = mkdtempSync(join(tmpdir(), 'varve-throttle-'));
const certificates = makeCertificates(scratch);
const servers: Server[] = [];
after(() => {
  for (const each of servers) each.close();
  rmSync(scratch, { recursive: true, force: true });
});

const LIMIT = 512 * 1024;
const BODY = Buffer.alloc(LIMIT, 'body');

/** Milliseconds without progress after which a request is given up: less than it takes in all. */
const STUCK = 400;

/** A machine that is busy makes it slower; nothing may make it faster. */
async function takesItsTime(bytes: number, action: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  await action();
  const seconds = (performance.now() - began) / 1000;
  const wanted = bytes / LIMIT;
  assert.ok(seconds > 0.88 * wanted - 0.1, `${seconds} s instead of ${wanted}`);
  assert.ok(seconds < 2 * wanted + 1, `${seconds} s instead of ${wanted}`);
}

/** Takes what is sent, and answers with the number of its bytes; a GET gets the body. */
async function serve(kind: 'http' | 'https'): Promise<string> {
  const answer = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    let received = 0;
    request.on('data', (bytes: Buffer) => {
      received += bytes.length;
    });
    request.on('end', () => response.end(request.method === 'GET' ? BODY : String(received)));
  };
  const { cert, key } = certificates.server;
  const server =
    kind === 'http'
      ? http.createServer(answer)
      : https.createServer({ cert: readFileSync(cert), key: readFileSync(key) }, answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  return `${kind}://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

function request(url: string, agent: http.Agent, body?: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const module = url.startsWith('https:') ? https : http;
    const method = body === undefined ? 'GET' : 'PUT';
    const sent = module.request(url, { agent, method, timeout: STUCK }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve(Buffer.concat(parts)));
    });
    sent.on('timeout', () => sent.destroy(new Error('stuck')));
    sent.on('error', reject).end(body);
  });
}

for (const kind of ['http', 'https'] as const) {
  test(`${kind}: connections together keep the limit in each direction`, async () => {
    const url = await serve(kind);
    const limited = (limits: { uploadLimit?: number; downloadLimit?: number }) =>
      agentsFor(settings({ ...limits, insecureTls: true }), 4);
    const up = limited({ uploadLimit: LIMIT });
    const down = limited({ downloadLimit: LIMIT });
    try {
      const part = BODY.subarray(0, BODY.length / 4);
      const puts = () => Promise.all(Array.from({ length: 4 }, () => request(url, up[kind], part)));
      await takesItsTime(BODY.length, async () => {
        for (const answer of await puts()) assert.equal(answer.toString(), String(part.length));
      });
      await takesItsTime(BODY.length, () => request(url, up[kind], BODY));
      await takesItsTime(BODY.length, async () => {
        assert.ok((await request(url, down[kind])).equals(BODY));
      });
      // The other direction is as fast as it can be.
      const began = performance.now();
      assert.ok((await request(url, up[kind])).equals(BODY));
      assert.equal((await request(url, down[kind], BODY)).toString(), String(BODY.length));
      assert.ok(performance.now() - began < 900);
    } finally {
      up.close();
      down.close();
    }
  });
}

test('the idle timeout works through TLS and a limit', async () => {
  const silent = https.createServer({
    cert: readFileSync(certificates.server.cert),
    key: readFileSync(certificates.server.key),
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  servers.push(silent);
  const agents = agentsFor(settings({ uploadLimit: LIMIT, insecureTls: true }), 1);
  const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
  await assert.rejects(request(url, agents.https), /stuck/);
  agents.close();
});

test('pipes of a program keep the limit in each direction', async () => {
  const limited = (limits: Parameters<typeof throttlesOf>[0]) => ({
    kind: 'ssh' as const,
    asks: false,
    throttles: throttlesOf(limits),
  });
  const sum = await startChild(['wc', '-c'], settings(), limited({ uploadLimit: LIMIT }));
  await takesItsTime(BODY.length, async () => {
    sum.stream.end(BODY);
    const [answer] = (await once(sum.stream, 'data')) as [Buffer];
    assert.equal(answer.toString().trim(), String(BODY.length));
  });
  const head = ['head', '-c', String(LIMIT), '/dev/zero'] as const;
  const zeros = await startChild(head, settings(), limited({ downloadLimit: LIMIT }));
  let received = 0;
  await takesItsTime(LIMIT, async () => {
    zeros.stream.on('data', (bytes: Buffer) => {
      received += bytes.length;
    });
    await once(zeros.stream, 'end');
  });
  assert.equal(received, LIMIT);
  for (const child of [sum, zeros]) child.close();
});

test('programs of one store share its limit', async () => {
  const throttles = throttlesOf({ uploadLimit: LIMIT });
  const sums = await Promise.all(
    [1, 2].map(() => startChild(['wc', '-c'], settings(), { kind: 'ssh' as const, asks: false, throttles })),
  );
  await takesItsTime(2 * BODY.length, () =>
    Promise.all(
      sums.map(async ({ stream }) => {
        stream.end(BODY);
        await once(stream, 'data');
      }),
    ),
  );
  for (const child of sums) child.close();
});

test('a low limit has small pieces, so that all connections get their share', () => {
  assert.equal(new Throttle(1e9).piece, 16 * 1024);
  assert.equal(new Throttle(100 * 1024).piece, 5 * 1024);
  assert.equal(new Throttle(100).piece, 512);
});

/** Two ends of a connection: what is written to one comes out of the other. */
function ends(): [Duplex, Duplex] {
  const [there, back] = [new PassThrough(), new PassThrough()];
  return [new Pipes(back, there), new Pipes(there, back)];
}

const slow = (): Throttle => new Throttle(100_000);

test('all bytes before the end arrive in order before the end', async () => {
  const server = net.createServer((socket) => {
    // As a server does that answers and closes the connection at once.
    socket.end(Buffer.from(Uint32Array.from({ length: 10_000 }, (_, i) => i).buffer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
  const stream = new ThrottledDuplex(socket, undefined, slow());
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  const bytes = Buffer.concat(parts);
  assert.equal(bytes.length, 40_000);
  for (let i = 0; i < 10_000; i++) assert.equal(bytes.readUInt32LE(4 * i), i);
});

test('a half-closed connection can still read', async () => {
  const [near, far] = ends();
  const stream = new ThrottledDuplex(near, slow(), slow());
  stream.end('a question');
  const question: Buffer[] = [];
  for await (const part of far.iterator({ destroyOnReturn: false })) question.push(part as Buffer);
  assert.equal(Buffer.concat(question).toString(), 'a question');
  far.end('an answer');
  const [answer] = (await once(stream, 'data')) as [Buffer];
  assert.equal(answer.toString(), 'an answer');
});

test('an error of the connection reaches the writer', async () => {
  const [near] = ends();
  const stream = new ThrottledDuplex(near, slow(), slow());
  const failed = once(stream, 'error');
  const written = new Promise((resolve) => stream.write(Buffer.alloc(1_000_000), resolve));
  setTimeout(() => near.destroy(new Error('reset')), 10);
  await assert.rejects(
    failed.then(([error]) => Promise.reject(error)),
    /reset/,
  );
  assert.match(String(await written), /reset/);
  assert.ok(stream.destroyed);
});

test('destroy ends the connection and its waiting bytes', async () => {
  const [near] = ends();
  const stream = new ThrottledDuplex(near, slow(), slow());
  const written = new Promise((resolve) => stream.write(Buffer.alloc(1_000_000), resolve));
  stream.destroy();
  assert.ok((await written) instanceof Error);
  assert.ok(near.destroyed);
});

test('a connection that closes without an end is closed', async () => {
  const [near] = ends();
  const stream = new ThrottledDuplex(near, slow(), slow());
  near.destroy();
  await once(stream, 'close');
  assert.ok(stream.destroyed);
});

test('the timeout does not count bytes that wait for the limit', async () => {
  const [near, far] = ends();
  far.resume();
  const stream = new ThrottledDuplex(near, new Throttle(2000), undefined);
  let timeouts = 0;
  stream.setTimeout(100, () => timeouts++);
  await new Promise((resolve) => stream.write(Buffer.alloc(1500), resolve));
  assert.equal(timeouts, 0);
  await once(stream, 'timeout');
  assert.equal(timeouts, 1);
  stream.destroy();
});
