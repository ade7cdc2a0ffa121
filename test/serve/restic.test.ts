import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { missingPrograms } from '../servers/programs.js';
import type { RestServer } from '../servers/rclone.js';
import { startVarveServe } from '../servers/varve-serve.js';
import { makeCertificates } from '../storage/transport/certificates.js';
import { scratchFolder } from './running.js';

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
  (...args: string[]): SpawnSyncReturns<string>;
  /** Of what must succeed. */
  ok(...args: string[]): string;
}

function restic(repository: string, ...options: string[]): Client {
  const env = {
    PATH: process.env.PATH,
    RESTIC_REPOSITORY: repository,
    RESTIC_PASSWORD: 'x',
    RESTIC_CACHE_DIR: scratchFolder(),
  };
  const run = (...args: string[]): SpawnSyncReturns<string> =>
    spawnSync('restic', [...options, ...args], { env, encoding: 'utf8', timeout: 120_000 });
  return Object.assign(run, {
    ok(...args: string[]): string {
      const { status, stdout, stderr } = run(...args);
      assert.equal(status, 0, `restic ${args.join(' ')}\n${stdout}${stderr}`);
      return stdout;
    },
  });
}

function sourceFolder(): string {
  const folder = join(scratchFolder(), 'source');
  mkdirSync(join(folder, 'deep'), { recursive: true });
  for (let number = 0; number < 30; number++)
    writeFileSync(join(folder, 'deep', `${number}`), randomBytes(number * 5000));
  return folder;
}

function assertSame(source: string, restored: string): void {
  for (let number = 0; number < 30; number++)
    assert.deepEqual(
      readFileSync(join(restored, source, 'deep', `${number}`)),
      readFileSync(join(source, 'deep', `${number}`)),
    );
}

/** All that a repository goes through. */
function wholeLife(client: Client): void {
  const source = sourceFolder();
  client.ok('init');
  client.ok('backup', source);
  writeFileSync(join(source, 'deep', '3'), randomBytes(700_000));
  client.ok('backup', source);
  const target = scratchFolder();
  client.ok('restore', 'latest', '--target', target);
  assertSame(source, target);
  client.ok('check', '--read-data');
  client.ok('forget', '--keep-last', '1', '--prune', '--max-unused', '0');
  client.ok('check', '--read-data');
  assert.equal((JSON.parse(client.ok('snapshots', '--json')) as unknown[]).length, 1);
  client.ok('key', 'list');
}

describe('restic with varve serve', { skip: MISSING }, () => {
  test('over http, with a user and a password; the folder opens as a local repository, too', async () => {
    const folder = scratchFolder();
    const { host } = await start(folder, { anna: 'se:cr/et' }, '--private-repos');
    wholeLife(restic(`rest:http://anna:se%3Acr%2Fet@${host}/anna/laptop`));
    restic(join(folder, 'anna/laptop')).ok('check', '--read-data');
    const stranger = restic(`rest:http://anna:wrong@${host}/anna/laptop`)('snapshots');
    assert.match(stranger.stderr, /401 Unauthorized: wrong user name or password/);
  });

  test('over https, with a certificate of its own authority', async () => {
    const certificates = makeCertificates(scratchFolder());
    const folder = scratchFolder();
    const { cert, key } = certificates.server;
    const { host } = await start(folder, { anna: 'a' }, '--tls', '--tls-cert', cert, '--tls-key', key);
    wholeLife(restic(`rest:https://anna:a@${host}/`, '--cacert', certificates.ca));
    assert.notEqual(restic(`rest:https://anna:a@${host}/`, '--cacert', certificates.otherCa)('snapshots').status, 0);
  });

  test('an append-only user backs up and restores, and removes nothing', async () => {
    const source = sourceFolder();
    const server = await start(scratchFolder(), { web1: 'w', admin: 'a' }, '--append-only-user', 'web1');
    const web1 = restic(`rest:http://web1:w@${server.host}/`);
    web1.ok('init');
    web1.ok('backup', source);
    web1.ok('backup', source);
    const refused = web1('forget', '--keep-last', '1', '--prune');
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, /403 Forbidden: append-only/);
    web1.ok('backup', source);
    const target = scratchFolder();
    web1.ok('restore', 'latest', '--target', target);
    assertSame(source, target);
    const count = (text: string): number => (JSON.parse(text) as unknown[]).length;
    assert.equal(count(web1.ok('snapshots', '--json')), 3);
    const admin = restic(`rest:http://admin:a@${server.host}/`);
    admin.ok('forget', '--keep-last', '1', '--prune');
    admin.ok('check', '--read-data');
    assert.equal(count(web1.ok('snapshots', '--json')), 1);
  });

  test('a full quota is told, and what is there can be restored', async () => {
    const source = sourceFolder();
    const server = await start(scratchFolder(), undefined, '--max-size', '3M');
    const client = restic(`rest:http://${server.host}/`);
    client.ok('init');
    client.ok('backup', source);
    writeFileSync(join(source, 'large'), randomBytes(4_000_000));
    const full = client('backup', source);
    assert.notEqual(full.status, 0);
    assert.match(full.stderr, /507 Insufficient Storage: the quota of the server is used up/);
    const target = scratchFolder();
    client.ok('restore', 'latest', '--target', target);
    assertSame(source, target);
    client.ok('check', '--read-data');
  });
});
