import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { scratchDirectory, startServer } from '../serve/running.js';
import { Playground } from './varve.js';

const play = new Playground();
/** What the proxy was asked: a method and where to. */
const asked: string[] = [];
const userAgents = new Set<string | undefined>();
const proxy = http.createServer((request, response) => {
  const url = new URL(request.url ?? '');
  asked.push(`${request.method} ${url.host}`);
  userAgents.add(request.headers['user-agent']);
  const { method, headers } = request;
  const onward = http.request({ host: url.hostname, port: url.port, method, path: url.pathname + url.search, headers });
  onward.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 0, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  request.pipe(onward);
});
proxy.on('connect', (request, socket, head) => {
  asked.push(`CONNECT ${request.url}`);
  const [host, port] = (request.url ?? '').split(':');
  const onward = net.connect(Number(port), host, () => {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    onward.write(head);
    onward.pipe(socket).pipe(onward);
  });
  for (const each of [onward, socket]) each.on('error', () => undefined);
});
let environment: Record<string, string> = {};

before(async () => {
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const at = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  environment = { HTTP_PROXY: at, HTTPS_PROXY: at, http_proxy: '', https_proxy: '', no_proxy: '', NO_PROXY: '' };
});
after(() => {
  proxy.closeAllConnections();
  proxy.close();
});

const repository = (location: string): Record<string, string> => ({ ...environment, VARVE_REPOSITORY: location });

test('a REST server is reached through HTTP_PROXY, by the name that the user gives to the client', async () => {
  const server = await startServer();
  const env = { ...repository(`rest:http://127.0.0.1:${server.port}/`), VARVE_HTTP_USER_AGENT: 'restic-like/1' };
  asked.length = 0;
  await play.ok(['init'], { env });
  await play.ok(['snapshots', '--limit-download', '100000'], { env });
  assert.ok(asked.length > 3);
  assert.deepEqual(new Set(asked.map((each) => each.split(' ')[1])), new Set([`127.0.0.1:${server.port}`]));
  assert.deepEqual([...userAgents], ['restic-like/1']);
  asked.length = 0;
  await play.ok(['snapshots'], { env: { ...env, NO_PROXY: '127.0.0.1' } });
  assert.deepEqual(asked, []);
});

test('a server with TLS is reached through a tunnel of HTTPS_PROXY, and its certificate is checked', async () => {
  const directory = scratchDirectory();
  const tls = { certificate: `${directory}/cert.pem`, key: `${directory}/key.pem` };
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-keyout', tls.key, '-out', tls.certificate];
  const type = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...type, ...files, ...subject], { stdio: 'ignore' });
  const server = await startServer({ tls });
  const env = repository(`rest:https://127.0.0.1:${server.port}/`);
  asked.length = 0;
  await play.ok(['init', '--cacert', tls.certificate], { env });
  await play.ok(['snapshots', '--cacert', tls.certificate, '--limit-upload', '100000'], { env });
  assert.deepEqual(new Set(asked), new Set([`CONNECT 127.0.0.1:${server.port}`]));
  const { code, err } = await play.run(['snapshots'], { env });
  assert.equal(code, 1);
  assert.match(err, /this machine does not trust the signer of its certificate/);
});

test('an S3 server is reached through HTTP_PROXY, by the name that the user gives to the client', async () => {
  const keys = { AWS_ACCESS_KEY_ID: 'anna', AWS_SECRET_ACCESS_KEY: 'secret' };
  const env = { ...repository('s3:http://s3.invalid/bucket/laptop'), ...keys };
  asked.length = 0;
  userAgents.clear();
  const { code } = await play.run(['snapshots', '--retry-for', '0', '--http-user-agent', 'restic-like/2'], { env });
  assert.equal(code, 1);
  assert.deepEqual(new Set(asked), new Set(['GET s3.invalid']));
  assert.deepEqual([...userAgents], ['restic-like/2']);
});

test('a proxy that is no URL of HTTP is refused, and its password is not shown', async () => {
  const env = { ...repository('rest:http://127.0.0.1:1/'), HTTP_PROXY: 'socks5://anna:hunter2@localhost:1080' };
  const { code, err } = await play.run(['snapshots'], { env });
  assert.equal(code, 1);
  assert.match(err, /the proxy "socks5:.*" .* cannot be used: give one as http:\/\/HOST:PORT/);
  assert.doesNotMatch(err, /hunter2/);
});
