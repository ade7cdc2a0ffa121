import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { StoreSettings } from '../../../src/storage/settings.js';
import { type Agents, agentsFor } from '../../../src/storage/transport/agents.js';
import { isVarveError } from '../../errors/expect-error.js';
import { makeCertificates } from './certificates.js';
import { settings } from './settings.js';

const scratch = mkdtempSync(join(tmpdir(), 'varve-agents-'));
const certificates = makeCertificates(scratch);
const servers: Server[] = [];
after(() => {
  for (const each of servers) each.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** Answers with who asks, and counts connections. */
async function serve(
  kind: 'http' | 'https',
  asksForCertificate = false,
): Promise<{ url: string; connections: number }> {
  const answer = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    const socket = request.socket as TLSSocket;
    const client = kind === 'https' ? socket.getPeerCertificate().subject?.CN : undefined;
    request.resume().on('end', () => response.end(client ?? 'nobody'));
  };
  const server =
    kind === 'http'
      ? http.createServer(answer)
      : https.createServer(
          {
            cert: readFileSync(certificates.server.cert),
            key: readFileSync(certificates.server.key),
            ca: readFileSync(certificates.ca),
            requestCert: asksForCertificate,
            rejectUnauthorized: asksForCertificate,
          },
          answer,
        );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  const state = { url: `${kind}://127.0.0.1:${(server.address() as AddressInfo).port}/`, connections: 0 };
  server.on('connection', () => state.connections++);
  return state;
}

function get(url: string, agents: Agents): Promise<string> {
  return new Promise((resolve, reject) => {
    const module = url.startsWith('https:') ? https : http;
    const agent = url.startsWith('https:') ? agents.https : agents.http;
    module
      .get(url, { agent }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text) => {
          body += text;
        });
        response.on('end', () => resolve(body));
      })
      .on('error', reject);
  });
}

async function asked(url: string, given: Partial<StoreSettings>): Promise<string> {
  const agents = agentsFor(settings(given), 2);
  try {
    return await get(url, agents);
  } finally {
    agents.close();
  }
}

/** Certificates are the same whether connections are limited or not: those are made in another way. */
const LIMITS: readonly [string, Partial<StoreSettings>][] = [
  ['', {}],
  [', with a limit', { uploadLimit: 1e7, downloadLimit: 1e7 }],
];

for (const [what, limits] of LIMITS) {
  test(`a certificate is accepted when its authority is given, or any is accepted${what}`, async () => {
    const { url } = await serve('https');
    assert.equal(await asked(url, { ...limits, caCertificate: certificates.ca }), 'nobody');
    assert.equal(await asked(url, { ...limits, insecureTls: true }), 'nobody');
    assert.equal(
      await asked(url.replace('127.0.0.1', 'localhost'), { ...limits, caCertificate: certificates.ca }),
      'nobody',
    );
    const unknown = { code: /UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT/ };
    await assert.rejects(asked(url, limits), unknown);
    await assert.rejects(asked(url, { ...limits, caCertificate: certificates.otherCa }), unknown);
  });

  test(`the client shows its certificate${what}`, async () => {
    const { url } = await serve('https', true);
    const known = { ...limits, caCertificate: certificates.ca };
    assert.equal(await asked(url, { ...known, clientCertificate: certificates.client }), 'client');
    await assert.rejects(asked(url, known));
  });

  for (const kind of ['http', 'https'] as const) {
    test(`${kind} connections are reused and limited${what}`, async () => {
      const server = await serve(kind);
      const agents = agentsFor(settings({ ...limits, caCertificate: certificates.ca }), 2);
      try {
        for (let i = 0; i < 5; i++) await get(server.url, agents);
        assert.equal(server.connections, 1);
        await Promise.all(Array.from({ length: 10 }, () => get(server.url, agents)));
        assert.equal(server.connections, 2);
      } finally {
        agents.close();
      }
    });
  }
}

test('closing ends running requests', async () => {
  const server = http.createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  const { port } = server.address() as AddressInfo;
  for (const [, limits] of LIMITS) {
    const agents = agentsFor(settings(limits), 2);
    server.once('request', () => agents.close());
    await assert.rejects(get(`http://127.0.0.1:${port}/`, agents), { code: 'ECONNRESET' });
  }
});

test('the error names a file that is not a certificate', () => {
  const empty = join(scratch, 'empty.pem');
  writeFileSync(empty, 'nothing\n');
  const bad = (given: Partial<StoreSettings>, message: RegExp): void => {
    assert.throws(() => agentsFor(settings(given), 1), isVarveError('usage', message));
  };
  bad({ caCertificate: join(scratch, 'missing') }, /^--cacert: cannot read .*missing: no such file or directory$/);
  bad({ caCertificate: empty }, /^--cacert: .*empty\.pem must have certificates, as PEM/);
  bad(
    { clientCertificate: certificates.ca },
    /^--tls-client-cert: .*authority\.pem must have a certificate and its private/,
  );
  bad({ clientCertificate: empty }, /^--tls-client-cert: .*empty\.pem must have/);
});
