import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type Outcome, outcome } from '../cli/varve.js';
import { missingPrograms } from '../servers/programs.js';
import type { RestServer } from '../servers/rclone.js';
import { startVarveServe } from '../servers/varve-serve.js';
import { makeCertificates } from '../storage/transport/certificates.js';
import { WHOLE } from '../whole.js';
import { scratchDirectory } from './running.js';

const MISSING = missingPrograms(['restic', 'openssl'], 'restic openssl');

const servers: RestServer[] = [];
after(async () => {
  for (const server of servers) await server.stop();
});

async function start(...args: Parameters<typeof startVarveServe>): Promise<RestServer> {
  const server = await startVarveServe(...args);
  servers.push(server);
  return server;
}

interface Client {
  (...args: string[]): Promise<Outcome>;
  /** Runs restic, which must succeed. */
  ok(...args: string[]): Promise<string>;
  /** Runs restic, which the server must refuse. restic retries for some forty seconds, so only a whole run waits for it to end. */
  refused(message: RegExp, ...args: string[]): Promise<void>;
}

function restic(repository: string, ...options: string[]): Client {
  const env = {
    PATH: process.env.PATH,
    RESTIC_REPOSITORY: repository,
    RESTIC_PASSWORD: 'x',
    RESTIC_CACHE_DIR: scratchDirectory(),
  };
  const start = (args: string[]): ChildProcess =>
    spawn('restic', [...options, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const run = (...args: string[]): Promise<Outcome> => outcome(start(args));
  return Object.assign(run, {
    async refused(message: RegExp, ...args: string[]): Promise<void> {
      const child = start(args);
      let said = '';
      child.stderr?.on('data', (bytes: Buffer) => {
        said += bytes.toString();
        if (!WHOLE && message.test(said)) child.kill('SIGINT');
      });
      const { code, err } = await outcome(child);
      assert.notEqual(code, 0);
      assert.match(err, message);
    },
    async ok(...args: string[]): Promise<string> {
      const { code, out, err } = await run(...args);
      assert.equal(code, 0, `restic ${args.join(' ')}\n${out}${err}`);
      return out;
    },
  });
}

function sourceDirectory(): string {
  const directory = join(scratchDirectory(), 'source');
  mkdirSync(join(directory, 'deep'), { recursive: true });
  for (let number = 0; number < 30; number++)
    writeFileSync(join(directory, 'deep', `${number}`), randomBytes(number * 5000));
  return directory;
}

function assertSame(source: string, restored: string): void {
  for (let number = 0; number < 30; number++)
    assert.deepEqual(
      readFileSync(join(restored, source, 'deep', `${number}`)),
      readFileSync(join(source, 'deep', `${number}`)),
    );
}

/** The life of a repository: init, backup, restore, forget, prune, check. */
async function wholeLife(client: Client): Promise<void> {
  const source = sourceDirectory();
  await client.ok('init');
  await client.ok('backup', source);
  writeFileSync(join(source, 'deep', '3'), randomBytes(700_000));
  await client.ok('backup', source);
  const target = scratchDirectory();
  await client.ok('restore', 'latest', '--target', target);
  assertSame(source, target);
  await client.ok('check', '--read-data');
  await client.ok('forget', '--keep-last', '1', '--prune', '--max-unused', '0');
  await client.ok('check', '--read-data');
  assert.equal((JSON.parse(await client.ok('snapshots', '--json')) as unknown[]).length, 1);
  await client.ok('key', 'list');
}

describe('restic with varve serve', { skip: MISSING, concurrency: true }, () => {
  test('restic works over http when it logs in; the directory opens as a local repository too', async () => {
    const directory = scratchDirectory();
    const { host } = await start(directory, { anna: 'se:cr/et' }, '--private-repos');
    await wholeLife(restic(`rest:http://anna:se%3Acr%2Fet@${host}/anna/laptop`));
    await restic(join(directory, 'anna/laptop')).ok('check', '--read-data');
    const stranger = await restic(`rest:http://anna:wrong@${host}/anna/laptop`)('snapshots');
    assert.match(stranger.err, /401 Unauthorized: wrong user name or password/);
  });

  test('restic works over https when the certificate has a private authority', async () => {
    const certificates = makeCertificates(scratchDirectory());
    const directory = scratchDirectory();
    const { cert, key } = certificates.server;
    const { host } = await start(directory, { anna: 'a' }, '--tls', '--tls-cert', cert, '--tls-key', key);
    await wholeLife(restic(`rest:https://anna:a@${host}/`, '--cacert', certificates.ca));
    const other = await restic(`rest:https://anna:a@${host}/`, '--cacert', certificates.otherCa)('snapshots');
    assert.notEqual(other.code, 0);
  });

  test('restic backs up and restores but removes nothing when its user is append-only', async () => {
    const source = sourceDirectory();
    const server = await start(scratchDirectory(), { web1: 'w', admin: 'a' }, '--append-only-user', 'web1');
    const web1 = restic(`rest:http://web1:w@${server.host}/`);
    await web1.ok('init');
    await web1.ok('backup', source);
    await web1.ok('backup', source);
    await web1.refused(/403 Forbidden: append-only/, 'forget', '--keep-last', '1', '--prune');
    await web1.ok('backup', source);
    const target = scratchDirectory();
    await web1.ok('restore', 'latest', '--target', target);
    assertSame(source, target);
    const count = (text: string): number => (JSON.parse(text) as unknown[]).length;
    assert.equal(count(await web1.ok('snapshots', '--json')), 3);
    const admin = restic(`rest:http://admin:a@${server.host}/`);
    await admin.ok('forget', '--keep-last', '1', '--prune');
    await admin.ok('check', '--read-data');
    assert.equal(count(await web1.ok('snapshots', '--json')), 1);
  });

  test('restic reports the exceeded quota and still restores when the quota is exceeded', async () => {
    const source = sourceDirectory();
    const server = await start(scratchDirectory(), undefined, '--max-size', '4M');
    const client = restic(`rest:http://${server.host}/`);
    await client.ok('init');
    await client.ok('backup', source);
    writeFileSync(join(source, 'large'), randomBytes(4_000_000));
    await client.refused(/507 Insufficient Storage: the quota of the server is exceeded/, 'backup', source);
    const target = scratchDirectory();
    await client.ok('restore', 'latest', '--target', target);
    assertSame(source, target);
    await client.ok('check', '--read-data');
  });
});
