import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { VarveError } from '../../../src/errors/errors.js';
import { openRest } from '../../../src/storage/rest/open.js';
import type { StoreSettings } from '../../../src/storage/settings.js';
import type { Store } from '../../../src/storage/store.js';
import { type Listening, startScripted } from '../../servers/scripted.js';
import { type Certificates, makeCertificates } from '../transport/certificates.js';
import { settings } from '../transport/settings.js';

const scratch = mkdtempSync(join(tmpdir(), 'varve-connections-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const NAME = 'a'.repeat(64);
/** More than what sockets hold. */
const LARGE = Buffer.alloc(32 * 1024 * 1024);

interface Wanted {
  readonly code?: string;
  readonly retryable: boolean;
}

/** A connection's failure, which names the object and the place. */
async function failsWith(
  doing: Promise<unknown>,
  message: RegExp,
  { code = 'storage', retryable }: Wanted,
): Promise<void> {
  await assert.rejects(doing, (error) => {
    assert.ok(error instanceof VarveError, String(error));
    assert.match(error.message, message);
    assert.equal(error.code, code, error.message);
    assert.equal(error.retryable, retryable, error.message);
    return true;
  });
}

async function opened(context: TestContext, place: string, given: Partial<StoreSettings> = {}): Promise<Store> {
  const store = await openRest(place, settings({ environment: {}, ...given }));
  context.after(() => store.close());
  return store;
}

async function served(
  context: TestContext,
  answer: RequestListener,
  { given = {}, scheme = 'http', ...listening }: Listening & { given?: Partial<StoreSettings>; scheme?: string } = {},
): Promise<Store> {
  const server = await startScripted(answer, listening);
  context.after(() => server.stop());
  return opened(context, `${scheme}://${server.host}/`, given);
}

const ok: RequestListener = (_, response) => void response.end('[]');

test('a refused connection is an error with advice', async (context) => {
  const server = await startScripted(ok);
  await server.stop();
  const store = await opened(context, `http://${server.host}/`);
  await failsWith(store.get('data', NAME), /cannot read data\/a+ from rest:.* refused: is the server running/, {
    retryable: true,
  });
});

test('an unknown host name is an error with advice', async (context) => {
  const store = await opened(context, 'http://nowhere.invalid/');
  await failsWith(store.now(), /nowhere\.invalid: the name of the server/, { retryable: true });
});

test('a get is retryable when its connection breaks', async (context) => {
  const store = await served(context, (_, response) => {
    response.writeHead(200, { 'content-length': '1000000' }).write(Buffer.alloc(1000));
    setTimeout(() => response.destroy(), 20);
  });
  await failsWith(store.get('data', NAME), /the connection broke/, { retryable: true });
  await failsWith(store.get('data', NAME, undefined, { into: Buffer.alloc(2_000_000) }), /connection broke/, {
    retryable: true,
  });
});

test('a list is retryable when its connection breaks', async (context) => {
  const store = await served(context, (_, response) => {
    response.writeHead(200).write(`[{"name":"${NAME}","size":1}`);
    setTimeout(() => response.destroy(), 20);
  });
  await failsWith(store.list('data')[Symbol.asyncIterator]().next(), /cannot list data .*connection broke/, {
    retryable: true,
  });
});

test('a put is retryable when its connection breaks', async (context) => {
  const store = await served(context, (request) => {
    request.once('data', () => request.destroy());
    if (request.method === 'GET') request.destroy();
  });
  await failsWith(store.get('data', NAME), /the connection broke/, { retryable: true });
  await failsWith(store.put('data', NAME, [LARGE]), /cannot write data\/a+ .*the connection broke/, {
    retryable: true,
  });
});

test('an early answer counts, and its connection is not reused', async (context) => {
  const answer: RequestListener = (request, response) => {
    if (request.method === 'POST') response.writeHead(507).end('full');
    else response.writeHead(200, { 'content-length': '3' }).end('abc');
  };
  const store = await served(context, answer, { given: { connections: 1 } });
  for (let i = 0; i < 3; i++) {
    await failsWith(store.put('data', NAME, [LARGE]), /no space left/, { code: 'full', retryable: false });
    assert.equal((await store.get('data', NAME)).toString(), 'abc');
  }
});

test('a request ends with the idle timeout when the server neither reads nor answers', async (context) => {
  const given = { idleTimeoutSeconds: 0.2 };
  const silent = await served(context, () => undefined, { given });
  await failsWith(silent.get('data', NAME), /no answer from .* for 0\.2 s/, { retryable: true });
  const stuck = await served(
    context,
    (_, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('some');
    },
    { given },
  );
  await failsWith(stuck.get('data', NAME), /no answer from .* for 0\.2 s/, { retryable: true });
  await failsWith(silent.put('data', NAME, [LARGE]), /no answer from .* for 0\.2 s/, { retryable: true });
});

test('a slow answer does not hit the idle timeout', async (context) => {
  const store = await served(
    context,
    (_, response) => {
      response.writeHead(200, { 'content-length': '10' });
      let sent = 0;
      const timer = setInterval(() => {
        response.write('x');
        if (++sent === 10) clearInterval(timer);
      }, 60);
    },
    { given: { idleTimeoutSeconds: 0.4 } },
  );
  assert.equal((await store.get('data', NAME)).length, 10);
});

test('an interruption ends running requests; later requests still run', async (context) => {
  const stop = new AbortController();
  const answer: RequestListener = (request, response) => {
    if (request.method === 'DELETE') response.end();
    else setTimeout(() => stop.abort(), 20);
  };
  const store = await served(context, answer, { given: { signal: stop.signal } });
  await failsWith(store.put('data', NAME, [LARGE]), /^interrupted$/, { code: 'interrupted', retryable: false });
  await store.remove('locks', NAME);
});

test('a replace puts the object back despite an interruption', async (context) => {
  const stop = new AbortController();
  const answer: RequestListener = (request, response) => {
    if (request.method === 'DELETE') response.end();
    else {
      stop.abort();
      request.resume().on('end', () => response.end());
    }
  };
  const store = await served(context, answer, { given: { signal: stop.signal } });
  await store.replace('data', NAME, [LARGE]);
});

test('closing ends running requests', async (context) => {
  const store = await served(context, () => setTimeout(() => void store.close(), 20));
  await failsWith(store.get('data', NAME), /connection broke/, { retryable: true });
});

test('requests work over a unix socket', async (context) => {
  const socketPath = join(scratch, 'rest.sock');
  await failsWith((await opened(context, `http+unix://${socketPath}:/x/`)).now(), /the socket does not exist/, {
    retryable: true,
  });
  const server = await startScripted(ok, { socketPath });
  context.after(() => server.stop());
  const store = await opened(context, `http+unix://${socketPath}:/folder`);
  assert.deepEqual(await store.list('keys')[Symbol.asyncIterator]().next(), { done: true, value: undefined });
  assert.deepEqual(server.requests, ['GET /folder/keys/']);
});

test('an answer that is not HTTP is an error', async (context) => {
  const server = createServer((socket) => void socket.end('SSH-2.0-OpenSSH_9.2\r\n')).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  context.after(() => server.close());
  const { port } = server.address() as { port: number };
  const store = await opened(context, `http://127.0.0.1:${port}/`);
  await failsWith(store.now(), /is not HTTP: is the port right/, { retryable: false });
});

test('TLS', async (context) => {
  const { ca, otherCa, server, client }: Certificates = makeCertificates(scratch);
  const tls = { cert: readFileSync(server.cert), key: readFileSync(server.key) };
  const asked = { ...tls, ca: readFileSync(ca), requestCert: true, rejectUnauthorized: true };
  const https = { tls, scheme: 'https' };
  const final = { retryable: false };

  await (await served(context, ok, { ...https, given: { caCertificate: ca } })).now();
  await (await served(context, ok, { ...https, given: { insecureTls: true } })).now();
  const known = { caCertificate: ca, clientCertificate: client };
  await (await served(context, ok, { ...https, tls: asked, given: known })).now();

  await failsWith((await served(context, ok, https)).now(), /does not trust the signer .* --cacert FILE/, final);
  const other = await served(context, ok, { ...https, given: { caCertificate: otherCa } });
  await failsWith(other.now(), /does not trust the signer .* --cacert FILE/, final);
  const elsewhere = await served(context, ok, { ...https, address: '127.0.0.2', given: { caCertificate: ca } });
  await failsWith(elsewhere.now(), /certificate is for another server \(IP Address:127\.0\.0\.1/, final);
  const nobody = await served(context, ok, { ...https, tls: asked, given: { caCertificate: ca } });
  await failsWith(nobody.get('data', NAME), /wants one: --tls-client-cert FILE/, final);

  const plain = await served(context, ok, { scheme: 'https' });
  await failsWith(plain.now(), /does not speak TLS there: use http:\/\//, final);
  const secure = await served(context, ok, { tls });
  await failsWith(secure.now(), /connection broke|not HTTP/, { retryable: true });
});

test('an expired certificate is an error', async (context) => {
  const { ca } = makeCertificates(scratch);
  const signing = ['-CA', 'authority.pem', '-CAkey', 'authority.key', '-CAcreateserial', '-extfile', 'server.ext'];
  const args = ['x509', '-req', '-in', 'server.csr', ...signing, '-days', '-1', '-out', 'old.pem'];
  execFileSync('openssl', args, { cwd: scratch, stdio: 'pipe' });
  const tls = { cert: readFileSync(join(scratch, 'old.pem')), key: readFileSync(join(scratch, 'server.key')) };
  const store = await served(context, ok, { tls, scheme: 'https', given: { caCertificate: ca } });
  await failsWith(store.now(), /certificate has expired/, { retryable: false });
});
