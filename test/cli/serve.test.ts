import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { after, describe, test } from 'node:test';
import tls from 'node:tls';
import { htpasswd } from '../serve/htpasswd.js';
import { ask, create, type Running, until } from '../serve/running.js';
import { missingPrograms } from '../servers/programs.js';
import { object } from '../storage/conformance.js';
import { makeCertificates } from '../storage/transport/certificates.js';
import { type Outcome, outcome, Playground } from './varve.js';

const playground = new Playground();
const directory = playground.path('served');
mkdirSync(directory);

interface Served {
  readonly child: ChildProcess;
  readonly running: Running;
  readonly ended: Promise<Outcome>;
  output(): string;
  errors(): string;
}

const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill('SIGKILL');
});

async function start(...args: string[]): Promise<Served> {
  const child = playground.start(['serve', '--path', directory, '--listen', '127.0.0.1:0', ...args]);
  children.push(child);
  const ended = outcome(child);
  let out = '';
  child.stdout?.on('data', (text) => {
    out += text;
  });
  let err = '';
  child.stderr?.on('data', (text) => {
    err += text;
  });
  await until(() => /listening|serving/.test(out) && out.endsWith('\n'), 'it listens');
  const port = Number(/:(\d+)\//.exec(out)?.[1]);
  return { child, running: { port } as Running, ended, output: () => out, errors: () => err };
}

test('options that cannot be are refused, with what to do', async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /the directory is missing: --path DIRECTORY/],
    [['--path', playground.path('nothing')], /no such directory; is the disk mounted\?/],
    [
      ['--path', directory],
      /cannot read the password file .*\.htpasswd: no such file.*varve serve password USER.*--no-auth/,
    ],
    [
      ['--path', directory, '--no-auth', '--listen', ':0'],
      /anyone who reaches :0 could read and delete everything.*--open-to-all/,
    ],
    [['--path', directory, '--no-auth', '--listen', '192.0.2.1:0'], /--open-to-all/],
    [['--path', directory, '--no-auth', '--private-repos'], /--no-auth and --private-repos contradict/],
    [['--path', directory, '--no-auth', '--append-only-user', 'x'], /--append-only-user contradict/],
    [['--path', directory, '--open-to-all'], /--open-to-all needs --no-auth/],
    [['--path', directory, '--max-size-user', '1G'], /needs --private-repos/],
    [['--path', directory, '--no-auth', '--max-size', 'big'], /--max-size: "big" is not a size/],
    [['--path', directory, '--no-auth', '--listen', '8000'], /"8000" is not an address; examples: 127\.0\.0\.1:8000/],
    [['--path', directory, '--no-auth', '--listen', '127.0.0.1:99999'], /is not an address/],
    [['--path', directory, '--no-auth', '--tls-cert', 'x'], /need --tls/],
    [['--path', directory, '--no-auth', '--tls'], /cannot use the certificate .*public_key/],
    [['--path', directory, '--no-auth', '--log-format', 'xml'], /neither plain nor combined/],
    [['--path', directory, '--no-auth', '--log', '/nowhere/log'], /--log: cannot write \/nowhere\/log/],
  ];
  for (const [args, message] of cases) {
    const { code, err } = await playground.run(['serve', ...args]);
    assert.equal(code, 1, args.join(' '));
    assert.match(err, message);
  }
});

test('it says where it listens, writes the log, and ends with 0 when it is told to', async () => {
  const log = playground.path('log');
  const { child, running, ended, output } = await start('--no-auth', '--log', log);
  assert.match(output(), /^serving .*served at http:\/\/127\.0\.0\.1:\d+\/ \(nobody has to log in\)\n$/);
  const inUse = await playground.run([
    'serve',
    '--path',
    directory,
    '--no-auth',
    '--listen',
    `127.0.0.1:${running.port}`,
  ]);
  assert.match(inUse.err, /cannot listen on 127\.0\.0\.1:\d+: another program already listens there/);
  await create(running, '/anna/');
  child.kill('SIGTERM');
  assert.equal((await ended).code, 0);
  assert.match(
    readFileSync(log, 'utf8'),
    /^\S+ \S+ {2}127\.0\.0\.1 {2}- {2}POST {2}anna\/ {2}0 bytes {2}\d+ ms {2}200\n$/,
  );
  assert.equal(statSync(log).mode & 0o777, 0o600);
});

test('what runs when it is told to end comes to its end', async () => {
  const { child, running, ended } = await start('--no-auth', '--log', '-', '--log-format', 'combined');
  await create(running, '/late/');
  const { name, bytes } = object(200_000);
  const request = http.request({ port: running.port, method: 'POST', path: `/late/data/${name}` });
  request.setHeader('Content-Length', bytes.length);
  request.write(bytes.subarray(0, 100_000));
  await new Promise((resolve) => setTimeout(resolve, 100));
  child.kill('SIGTERM');
  await until(
    () =>
      new Promise((resolve) => {
        ask(running, 'GET', '/late/config').then(
          () => resolve(false),
          () => resolve(true),
        );
      }),
    'nobody else is let in',
  );
  request.end(bytes.subarray(100_000));
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  assert.equal(response.statusCode, 200);
  assert.equal(response.headers.connection, 'close');
  const { code, out } = await ended;
  assert.equal(code, 0);
  assert.match(out, /"POST \/late\/data\/[0-9a-f]{64} HTTP\/1\.1" 200 200000/);
});

test('passwords are given by the command, and taken by a server that runs', async () => {
  const password = playground.path('password');
  writeFileSync(password, 'first\n', { mode: 0o600 });
  const give = ['serve', 'password', 'anna', '--path', directory, '--new-password-file', password];
  assert.match((await playground.ok(give)).out, /^anna has a new password in .*\.htpasswd\n$/);
  assert.equal(statSync(`${directory}/.htpasswd`).mode & 0o777, 0o600);
  const { child, running, ended, output } = await start('--json');
  assert.equal((JSON.parse(output()) as { message_type: string }).message_type, 'listening');
  await create(running, '/mine/', { as: 'anna:first' });
  writeFileSync(password, 'second\n');
  await playground.ok(give);
  const status = async (as: string): Promise<number> => (await ask(running, 'HEAD', '/mine/config', { as })).status;
  await until(async () => (await status('anna:second')) === 404, 'the new password is right');
  assert.equal(await status('anna:first'), 401);
  child.kill('SIGINT');
  assert.equal((await ended).code, 0);
  const nowhere = await playground.run(['serve', 'password', 'anna']);
  assert.match(nowhere.err, /no password file is given/);
  const byOther = await playground.run(['serve', 'password', '../x', ...give.slice(3)]);
  assert.match(byOther.err, /is not a valid user name/);
});

test('a socket in the file system, also where a server that was killed has left one', async () => {
  const socketPath = playground.path('socket');
  const args = ['--no-auth', '--listen', `unix:${socketPath}`];
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const child = playground.start(['serve', '--path', directory, ...args]);
    children.push(child);
    const ended = outcome(child);
    let out = '';
    child.stdout?.on('data', (text) => {
      out += text;
    });
    await until(() => out.includes(`at unix:${socketPath}`), 'it listens');
    assert.equal(statSync(socketPath).mode & 0o777, 0o660);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = http.request({ socketPath, path: '/nothing/config', method: 'HEAD' }, (response) =>
        resolve(response.resume().statusCode),
      );
      request.on('error', reject).end();
    });
    assert.equal(status, 404);
    const second = await playground.run(['serve', '--path', directory, ...args]);
    assert.match(second.err, /another program already listens there/);
    child.kill(signal);
    await ended;
    assert.equal(existsSync(socketPath), signal === 'SIGKILL');
  }
});

describe('with a certificate', { skip: missingPrograms(['openssl'], 'openssl') }, () => {
  test('https, with the files that rest-server looks for; a renewed certificate is served', async () => {
    const place = playground.path('certificates');
    mkdirSync(place);
    const { server, client } = makeCertificates(place);
    writeFileSync(`${directory}/.htpasswd`, htpasswd({ anna: 'a' }));
    writeFileSync(`${directory}/public_key`, readFileSync(server.cert));
    writeFileSync(`${directory}/private_key`, readFileSync(server.key));
    const { child, ended, output, errors } = await start('--tls');
    const [, port] = / at https:\/\/127\.0\.0\.1:(\d+)\/ \(1 user\)/.exec(output()) ?? [];
    const served = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = tls.connect({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false }, () => {
          resolve(String(socket.getPeerCertificate().subject.CN));
          socket.destroy();
        });
        socket.on('error', reject);
      });
    assert.equal(await served(), 'server');
    // A certificate without its key, for a moment.
    writeFileSync(`${directory}/public_key`, readFileSync(client));
    await until(
      async () => (await served()) === 'server' && errors().includes('the previous certificate stays'),
      'it is told',
    );
    writeFileSync(`${directory}/private_key`, readFileSync(client));
    await until(async () => (await served()) === 'client', 'the new certificate is served');
    child.kill('SIGTERM');
    assert.equal((await ended).code, 0);
  });
});
