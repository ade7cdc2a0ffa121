import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { outcome, Playground } from '../cli/varve.js';
import { type Fault, NO_FAULTS, Preload } from '../faults/preload.js';
import { missingPrograms } from '../servers/programs.js';
import type { RestServer } from '../servers/rclone.js';
import { startVarveServeWith } from '../servers/varve-serve.js';
import { ask, create, filesBelow, post, type Running, scratchDirectory } from './running.js';

/** Older versions of restic retry after any status. */
const OLDEST_RESTIC = 17;
const NO_RESTIC = missingPrograms(['restic'], 'restic') || tooOldRestic();

function tooOldRestic(): false | string {
  const version = spawnSync('restic', ['version'], { encoding: 'utf8' }).stdout;
  const [, minor] = /^restic 0\.(\d+)\./.exec(version) ?? [];
  return minor !== undefined && Number(minor) < OLDEST_RESTIC && `needs restic 0.${OLDEST_RESTIC}: ${version.trim()}`;
}

/** Milliseconds within which a client must give up. A client that retries goes on for 15 minutes. */
const SOON = 60_000;

suite('varve serve when its own files cannot be read or written', { skip: NO_FAULTS }, () => {
  const root = scratchDirectory();
  const playground = new Playground();
  let preload: Preload;
  let server: RestServer;
  let running: Running;
  before(async () => {
    preload = new Preload(scratchDirectory());
    preload.arm();
    mkdirSync(join(root, 'served'));
    const environment = { ...preload.environment([join(root, 'served')]), UV_USE_IO_URING: '0' };
    server = await startVarveServeWith(environment, join(root, 'served'), undefined, '--log', '-');
    running = { port: Number(server.host.split(':')[1]) } as Running;
    await create(running, '/plain/');
  });
  after(async () => {
    await server?.stop();
  });

  const fail = (calls: Fault['calls'], error: Fault['error']): void =>
    preload.arm({ area: 0, calls, at: 1, mode: 'ever', error });

  for (const [error, status] of [
    ['EACCES', 403],
    ['EIO', 500],
    ['ESTALE', 500],
  ] as const)
    test(`serve answers ${status} and logs path and reason when reading fails with ${error}`, async () => {
      preload.arm();
      const { path } = await post(running, 1000, '/plain/data/');
      for (const [calls, asked] of [
        ['open', path],
        ['read', path],
        ['readdir', '/plain/data/'],
      ] as const) {
        fail(calls, error);
        const answer = await ask(running, 'GET', asked);
        assert.equal(answer.status, status, `${calls} ${asked}`);
        if (status === 403) assert.match(answer.reason, /^Forbidden: the server itself is denied access to it/);
      }
      preload.arm();
      assert.equal((await ask(running, 'GET', path)).status, 200);
      const reason = { EACCES: 'permission denied', EIO: 'input/output error', ESTALE: 'stale file handle' }[error];
      // Only the first warning of each minute is printed.
      assert.match(server.output(), /^Warning: GET plain\/data\/[0-9a-f]{64}: permission denied$/m);
      assert.match(server.output(), new RegExp(`GET  plain/data/  .*  ${status}  .*${reason}`));
    });

  for (const [error, status] of [
    ['EACCES', 403],
    ['ENOSPC', 507],
    ['EIO', 500],
  ] as const)
    test(`serve answers ${status} and keeps nothing when writing fails with ${error}`, async () => {
      for (const calls of ['open', 'write', 'fsync', 'rename'] as const) {
        preload.arm();
        const there = filesBelow(join(root, 'served', 'plain'));
        fail(calls, error);
        const { answer } = await post(running, 1000, '/plain/data/');
        assert.equal(answer.status, status, calls);
        preload.arm();
        assert.deepEqual(filesBelow(join(root, 'served', 'plain')), there, calls);
      }
    });

  test('varve gives up soon and says why when the server has no permission to read its files', async () => {
    preload.arm();
    const location = { env: { VARVE_REPOSITORY: `rest:http://${server.host}/varve/` } };
    const source = playground.files('source', { f: randomBytes(100_000) });
    await playground.ok(['init'], location);
    await playground.ok(['backup', source], location);
    for (const calls of ['open', 'readdir'] as const) {
      fail(calls, 'EACCES');
      const began = Date.now();
      const { code, err } = await playground.run(['snapshots', '--no-cache'], location);
      assert.equal(code, 1);
      assert.match(
        err,
        /^Fatal: .*cannot (read|list) .*: the server forbids it: the server itself is denied access to it/m,
      );
      assert.ok(Date.now() - began < SOON);
    }
    preload.arm();
    await playground.ok(['check', '--read-data'], location);
  });

  test('restic gives up soon when the server has no permission to read its files', { skip: NO_RESTIC }, async () => {
    preload.arm();
    const env = {
      PATH: process.env.PATH,
      RESTIC_REPOSITORY: `rest:http://${server.host}/restic/`,
      RESTIC_PASSWORD: 'x',
      RESTIC_CACHE_DIR: scratchDirectory(),
    };
    const restic = (...args: string[]) => outcome(spawn('restic', args, { env, stdio: ['ignore', 'pipe', 'pipe'] }));
    assert.equal((await restic('init')).code, 0);
    fail('open', 'EACCES');
    const began = Date.now();
    const { code, err } = await restic('snapshots');
    assert.notEqual(code, 0);
    assert.match(err, /the server itself is denied access to it/);
    assert.ok(Date.now() - began < SOON);
    preload.arm();
    assert.equal((await restic('check')).code, 0);
  });
});
