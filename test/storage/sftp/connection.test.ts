import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { VarveError } from '../../../src/errors/errors.js';
import type { Store } from '../../../src/storage/store.js';
import { isVarveError } from '../../errors/expect-error.js';
import { freePort, makeKey, SSHD_MISSING, type Sshd, sftpServer, startSshd } from '../../servers/sshd.js';
import { names, object } from '../conformance.js';
import { type Given, openBy, openOn, sshProcesses } from './places.js';

const skip = SSHD_MISSING;
const scratch = mkdtempSync(join(tmpdir(), 'varve-sftp-'));
let sshd: Sshd;
let number = 0;

before(async () => {
  if (skip === false) sshd = await startSshd();
});
after(async () => {
  await sshd?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

async function fresh(given: Given = {}): Promise<{ store: Store; path: string }> {
  const path = join(sshd.directory, `repository-${number++}`);
  const store = await openOn(sshd, path, given);
  await store.create();
  return { store, path };
}

const retryable = (error: unknown): boolean => error instanceof VarveError && error.retryable;

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** The only ssh that runs. */
function ssh(): number {
  const [pid, ...others] = sshProcesses();
  assert.ok(pid !== undefined && others.length === 0);
  return pid;
}

const growing = (path: string): boolean =>
  readdirSync(path, { recursive: true, withFileTypes: true }).some(
    (each) => each.name.startsWith('.tmp-') && statSync(join(each.parentPath, each.name)).size > 0,
  );

test('a put retries over a new connection when the first breaks', { skip }, async () => {
  const { store, path } = await fresh({ uploadLimit: 4 * 2 ** 20 });
  const { name, bytes } = object(6_000_000);
  const put = store.put('data', name, [bytes]);
  const failed = assert.rejects(put, isVarveError('storage', new RegExp(`cannot write data/${name}: server: .*broke`)));
  await until(() => growing(path));
  process.kill(ssh(), 'SIGKILL');
  await failed;
  assert.ok(await put.catch(retryable));
  assert.deepEqual(await names(store, 'data'), []);
  await store.put('data', name, [bytes]);
  assert.ok((await store.get('data', name)).equals(bytes));
  await store.close();
});

test('a get retries over a new connection when the first breaks', { skip }, async () => {
  const { store } = await fresh({ downloadLimit: 4 * 2 ** 20 });
  const { name, bytes } = object(3_000_000);
  await store.put('data', name, [bytes]);
  for (const pids of [() => [ssh()], () => sshd.connections()]) {
    await store.stat('data', name);
    const gets = [store.get('data', name), store.get('data', name, { offset: 0, length: 2_000_000 })];
    const failed = gets.map((get) => assert.rejects(get, isVarveError('storage', /cannot read data\/.*broke/)));
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const pid of pids()) process.kill(pid, 'SIGKILL');
    await Promise.all(failed);
    for (const get of gets) assert.ok(await get.catch(retryable));
    assert.ok((await store.get('data', name)).equals(bytes));
  }
  await store.close();
});

test('the connection survives Ctrl-C and ends with the store', { skip }, async () => {
  const { store } = await fresh();
  const pid = ssh();
  process.kill(pid, 'SIGINT');
  const { name, bytes } = object(10);
  await store.put('locks', name, [bytes]);
  assert.equal(ssh(), pid);
  await store.close();
  await until(() => sshProcesses().length === 0);
  await assert.rejects(store.get('locks', name), isVarveError('storage', /closed/));
});

test('a distant server gets more connections, which share the limit of speed', {
  skip,
}, async () => {
  const delay = join(scratch, 'delay.mjs');
  writeFileSync(
    delay,
    `import { connect } from 'node:net';
const socket = connect(${sshd.port}, '127.0.0.1');
const late = (from, to) => from.on('data', (bytes) => setTimeout(() => to.write(bytes), 20)).on('end', () => setTimeout(() => to.end(), 20));
late(process.stdin, socket);
late(socket, process.stdout);
`,
  );
  const { store } = await fresh({
    args: `'-oProxyCommand=${process.execPath} ${delay}'`,
    uploadLimit: 4 * 2 ** 20,
    connections: 5,
  });
  try {
    const began = performance.now();
    const puts: Promise<void>[] = [];
    let most = 0;
    // What comes when there is too much for one already has another opened.
    for (let i = 0; i < 5; i++) {
      const { name, bytes } = object(4 * 2 ** 20);
      puts.push(store.put('data', name, [bytes]));
      await new Promise((resolve) => setTimeout(resolve, 300));
      most = Math.max(most, sshProcesses().length);
    }
    await Promise.all(puts);
    assert.ok(most > 1, `${most} connections`);
    const seconds = (performance.now() - began) / 1000;
    assert.ok(seconds > 0.8 * 5, `${seconds} s`);
  } finally {
    await store.close();
    await until(() => sshProcesses().length === 0);
  }
});

test('an interruption ends running requests, and a lease can still be removed', {
  skip,
}, async () => {
  const abort = new AbortController();
  const { store, path } = await fresh({ uploadLimit: 4 * 2 ** 20, signal: abort.signal });
  const lease = object(10);
  await store.put('locks', lease.name, [lease.bytes]);
  const { name, bytes } = object(20_000_000);
  const failed = assert.rejects(store.put('data', name, [bytes]), isVarveError('interrupted'));
  await until(() => growing(path));
  abort.abort();
  await store.remove('locks', lease.name);
  await failed;
  assert.deepEqual(await names(store, 'locks'), []);
  assert.ok(!growing(path));
  await store.close();
});

test('onAsking is called while ssh may ask a question', { skip }, async () => {
  const asking: boolean[] = [];
  const { store } = await fresh({ onAsking: (now) => asking.push(now) });
  assert.deepEqual(asking, [true, false]);
  process.kill(ssh(), 'SIGKILL');
  await until(() => sshProcesses().length === 0);
  await store.stat('config', 'config').catch(() => store.stat('config', 'config'));
  assert.deepEqual(asking, [true, false, true, false]);
  await store.close();
  await assert.rejects(openOn(sshd, '/x', { args: '-oNonsense=yes', onAsking: (now) => asking.push(now) }));
  assert.deepEqual(asking.slice(4), [true, false]);
});

test('the error says why ssh cannot connect and what to do', { skip }, async () => {
  const stranger = join(scratch, 'stranger');
  makeKey(stranger);
  const known = join(scratch, 'known');
  writeFileSync(known, `* ${readFileSync(`${stranger}.pub`)}`);
  const nobody = join(scratch, 'nobody');
  writeFileSync(nobody, '');
  const noSubsystem = await startSshd({ subsystem: '' });
  const cases: { args: string; on?: Sshd; code: 'denied' | 'storage'; message: RegExp; again?: boolean }[] = [
    {
      args: `-oUserKnownHostsFile=${known}`,
      code: 'storage',
      message: /server: its host key has changed.*ssh-keygen .*-R/,
    },
    {
      args: `-oUserKnownHostsFile=${nobody}`,
      code: 'storage',
      message: /server: its host key is unknown here.*`ssh server`.*verification failed/,
    },
    {
      args: '-oPubkeyAuthentication=no',
      code: 'denied',
      message: /does not let you in.*Permission denied \(publickey/,
    },
    {
      args: '-oHostName=no-such-host.invalid',
      code: 'storage',
      message: /the host does not exist.*no-such-host/,
      again: true,
    },
    {
      args: `-p ${await freePort()}`,
      code: 'storage',
      message: /the connection is refused: is its ssh server/,
      again: true,
    },
    { args: '', on: noSubsystem, code: 'storage', message: /no SFTP to this account.*Subsystem sftp/ },
    { args: '-oNonsense=yes', code: 'storage', message: /ssh ended with exit code 255.*nonsense/i },
  ];
  try {
    for (const { args, on = sshd, code, message, again = false } of cases) {
      const opening = openOn(on, '/anywhere', { args });
      await assert.rejects(opening, isVarveError(code, message), args);
      assert.equal(await opening.catch(retryable), again, args);
    }
  } finally {
    await noSubsystem.stop();
  }
  await until(() => sshProcesses().length === 0);
});

test('a missing program or a program that is not an SFTP server is an error', async () => {
  await assert.rejects(
    openBy('varve-no-such-program', '/x'),
    isVarveError('usage', /cannot start varve-no-such-program/),
  );
  await assert.rejects(
    openBy(`sh -c 'echo "Welcome, \\$USER"; sleep 60'`, '/x'),
    isVarveError('storage', /server: the server's shell prints text instead of SFTP: "Welcome, .*interactive/),
  );
  await assert.rejects(
    openBy(`sh -c 'echo hello; cat >/dev/null'`, '/x'),
    isVarveError('storage', /prints text.*hello/),
  );
  await assert.rejects(
    openBy(`sh -c 'echo it is late >&2; exit 3'`, '/x'),
    isVarveError('storage', /server: sh ended with exit code 3 before SFTP began: it is late/),
  );
});

test('the error shows the text of a login shell', {
  skip: sftpServer === undefined && 'no sftp-server',
}, async () => {
  await assert.rejects(
    openBy(`sh -c 'echo hi; exec ${sftpServer}'`, '/x'),
    isVarveError('storage', /prints text.*"hi/),
  );
});
