import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { type ErrorCode, VarveError } from '../../../src/errors/errors.js';
import { openRclone } from '../../../src/storage/rclone/open.js';
import type { StoreSettings } from '../../../src/storage/settings.js';
import type { Store } from '../../../src/storage/store.js';
import { isVarveError } from '../../errors/expect-error.js';
import { RCLONE_MISSING } from '../../servers/rclone.js';
import { object } from '../conformance.js';
import { settings } from '../transport/settings.js';

const scratch = mkdtempSync(join(tmpdir(), 'varve-rclone-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
let directories = 0;

const directory = (): string => join(scratch, `${directories++}`);

interface Given extends Partial<StoreSettings> {
  readonly program?: string;
  readonly args?: string;
}

async function opened(context: TestContext, place: string, { program, args, ...given }: Given = {}): Promise<Store> {
  const extended = new Map(
    Object.entries({ 'rclone.program': program ?? 'rclone', ...(args && { 'rclone.args': args }) }),
  );
  const environment = { ...process.env, RCLONE_CONFIG: join(scratch, 'none.conf') };
  const store = await openRclone(place, settings({ extended, environment, ...given }));
  context.after(() => store.close());
  return store;
}

async function failsWith(doing: Promise<unknown>, message: RegExp, code: ErrorCode, retryable: boolean): Promise<void> {
  await assert.rejects(doing, (error) => {
    isVarveError(code, message)(error);
    assert.equal((error as VarveError).retryable, retryable, (error as VarveError).message);
    return true;
  });
}

/** rclone, which writes its process id to a file. */
const noting = (file: string): string => `/bin/sh -c 'echo $$ > ${file}; exec rclone "$@"' sh`;

/** A script that replaces rclone. */
const script = (text: string): string => `/bin/sh -c '${text}' sh`;

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('rclone', { skip: RCLONE_MISSING }, () => {
  test('a missing remote fails at once with rclone’s message', async (context) => {
    const store = await opened(context, 'nowhere:folder');
    await failsWith(
      store.get('config', 'config'),
      /cannot read config from rclone:nowhere:folder: rclone ended: .*didn't find section in config file/,
      'storage',
      false,
    );
  });

  test('unknown arguments fail with rclone’s message', async (context) => {
    const store = await opened(context, directory(), { args: 'serve restic --stdio --no-such-thing' });
    await failsWith(store.now(), /rclone ended: .*unknown flag: --no-such-thing/, 'storage', false);
  });

  test('rclone.args replaces the arguments, for example for append-only', async (context) => {
    const store = await opened(context, directory(), { args: "serve restic '--stdio' --append-only" });
    await store.create();
    const { name, bytes } = object(100);
    await store.put('data', name, [bytes]);
    await store.put('data', name, [bytes]);
    await failsWith(store.remove('data', name), /append-only/, 'denied', false);
    assert.deepEqual(await store.get('data', name), bytes);
  });

  test('an error contains rclone’s message', async (context) => {
    const path = directory();
    const lines: string[] = [];
    const store = await opened(context, path, { onDebug: (line) => lines.push(line) });
    mkdirSync(path);
    writeFileSync(join(path, 'index'), 'this is no directory');
    const { name, bytes } = object(100);
    await failsWith(store.put('index', name, [bytes]), /cannot write index\/.*: rclone: ERROR : /, 'storage', true);
    assert.ok(lines.some((line) => line.startsWith('rclone: ERROR : ')));
  });

  test('a request can be retried when rclone ends, and starts another', async (context) => {
    const file = join(scratch, 'killed.pid');
    const store = await opened(context, directory(), { program: noting(file) });
    await store.create();
    const first = Number(readFileSync(file, 'utf8'));
    const { name, bytes } = object(64_000_000);
    const writing = store.put('data', name, [bytes]);
    setTimeout(() => process.kill(first, 'SIGKILL'), 10);
    await failsWith(writing, /cannot write data\/.*: rclone was ended by SIGKILL/, 'storage', true);
    await Promise.all(Array.from({ length: 5 }, () => store.put('data', name, [bytes])));
    assert.ok((await store.get('data', name)).equals(bytes));
    assert.notEqual(Number(readFileSync(file, 'utf8')), first);
  });

  test('closing the store ends rclone', async (context) => {
    const file = join(scratch, 'closed.pid');
    const store = await opened(context, directory(), { program: noting(file) });
    await store.create();
    const pid = Number(readFileSync(file, 'utf8'));
    assert.ok(isRunning(pid));
    await store.close();
    assert.ok(!isRunning(pid));
    await assert.rejects(store.stat('config', 'config'), /closed/);
  });

  test('an interruption ends running requests; later requests still run', async (context) => {
    const stop = new AbortController();
    const store = await opened(context, directory(), { signal: stop.signal });
    await store.create();
    const { name, bytes } = object(256_000_000);
    const writing = store.put('data', name, [bytes]);
    setTimeout(() => stop.abort(), 10);
    await failsWith(writing, /^interrupted$/, 'interrupted', false);
    await store.put('locks', name, [bytes.subarray(0, 10)]);
    await store.remove('locks', name);
  });

  test('rclone keeps the limits of speed', async (context) => {
    const store = await opened(context, directory(), { uploadLimit: 50e6, downloadLimit: 50e6 });
    await store.create();
    const { name, bytes } = object(3_000_000);
    await store.put('data', name, [bytes]);
    assert.deepEqual(await store.get('data', name), bytes);
  });
});

test('a missing program is an error with its name', async (context) => {
  const store = await opened(context, 'x:y', { program: 'no-such-program' });
  await failsWith(store.now(), /cannot start no-such-program: it is not installed/, 'usage', false);
});

// However it ends when it is asked to.
for (const [what, after] of [
  ['', 'exec sleep 600'],
  [', and ends as if all were well', 'trap "exit 0" TERM; while sleep 0.05; do :; done'],
] as const)
  test(`a program that does not speak the protocol is an error${what}`, async (context) => {
    const store = await opened(context, 'x:y', { program: script(`echo Welcome to this machine; ${after}`) });
    await failsWith(store.now(), /rclone does not speak the protocol of `serve restic --stdio`/, 'storage', false);
  });

test('a program that ends silently is an error', async (context) => {
  const store = await opened(context, 'x:y', { program: script('exit 7') });
  await failsWith(store.now(), /rclone ended with exit code 7/, 'storage', false);
});

test('a silent program hits the idle timeout, and ends with the store', async (context) => {
  const file = join(scratch, 'silent.pid');
  const program = script(`echo $$ > ${file}; exec sleep 600`);
  const store = await opened(context, 'x:y', { program, idleTimeoutSeconds: 0.5 });
  await failsWith(store.now(), /no answer from rclone for 0\.5 s/, 'storage', true);
  const { name, bytes } = object(32_000_000);
  await failsWith(store.put('data', name, [bytes]), /no answer from rclone for 0\.5 s/, 'storage', true);
  assert.ok(existsSync(file));
  await store.close();
  assert.ok(!isRunning(Number(readFileSync(file, 'utf8'))));
});

test('errors hide passwords of a remote’s description', async (context) => {
  const place = ':sftp,host=h,user=u,pass="hid:den,too",key_pem=hidden:folder';
  const store = await opened(context, place, { program: script('exit 1') });
  assert.equal(store.location, 'rclone::sftp,host=h,user=u,pass=***,key_pem=***:folder');
  await assert.rejects(store.now(), (error) => {
    assert.ok(error instanceof VarveError);
    assert.doesNotMatch(error.message, /hid/);
    return true;
  });
});

test('an unknown option is refused', async () => {
  const extended = new Map([['rclone.arguments', '']]);
  await assert.rejects(
    openRclone('x:y', settings({ extended })),
    isVarveError('usage', /rclone.arguments: no such option; the options are rclone/),
  );
});

test('a location without a remote is refused', async () => {
  await assert.rejects(openRclone('', settings()), isVarveError('usage', /such as rclone:REMOTE:PATH/));
});
