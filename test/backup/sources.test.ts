import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { NO_FILTER } from '../../src/filesystem/filter.js';
import { MAX_DIRECT_CHUNKS } from '../../src/format/limits.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import { isVarveError } from '../errors/expect-error.js';
import { components, QUIET, Sandbox, scratchDirectory, undisturbed } from './sandbox.js';
import { assertSameTree, treeImage } from './tree-image.js';

const scratch = scratchDirectory(QUIET);

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield new Uint8Array(bytes.subarray(at, at + size));
}

async function fileIn(sandbox: Sandbox, root: Parameters<TreeReader['find']>[0], path: string): Promise<Buffer> {
  const reader = new TreeReader(await sandbox.indexed());
  const { content } = await reader.find(root, components(path));
  assert.ok(content);
  const parts: Buffer[] = [];
  for await (const blob of reader.content(content)) parts.push(Buffer.from(blob));
  return Buffer.concat(parts);
}

test('backup stores a stream as a file with the directories of its name', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'stream'));
  const content = randomBytes(5_000_000);
  for (const [path, bytes, size] of [
    ['/dumps/today/db.sql', content, 100_000],
    ['/plain', content.subarray(0, 1000), 1],
    ['/empty', Buffer.alloc(0), 1],
  ] as const) {
    const sources = { path: Buffer.from(path), bytes: pieces(bytes, size) };
    const { snapshot, summary } = await sandbox.backup({ sources });
    assert.deepEqual(snapshot.paths, [Buffer.from(path)]);
    assert.equal(summary.total_bytes_processed, bytes.length);
    assert.deepEqual(await fileIn(sandbox, snapshot.root, path), bytes);
    const { target } = await sandbox.restore(snapshot.root, { verify: true });
    assert.deepEqual(readFileSync(join(target, path)), bytes);
  }
});

test('backup stores a stream of very many chunks through a list', {
  timeout: 120_000,
}, async () => {
  const data = { min: 1024, average: 4096, max: 16_384 };
  const sandbox = await Sandbox.create(join(scratch, 'long-stream'), { data });
  const content = randomBytes(20_000_000);
  const sources = { path: Buffer.from('/long'), bytes: pieces(content, 777_777) };
  const { snapshot, summary } = await sandbox.backup({ sources });
  assert.equal(summary.total_bytes_processed, content.length);
  const reader = new TreeReader(await sandbox.indexed());
  const { content: reference } = await reader.find(snapshot.root, [Buffer.from('long')]);
  assert.ok(reference);
  assert.equal(reference.depth, 1);
  assert.ok((await reader.ids(reference)).length > MAX_DIRECT_CHUNKS * 32);
  assert.ok((await fileIn(sandbox, snapshot.root, '/long')).equals(content));
  const { target } = await sandbox.restore(snapshot.root, { verify: true });
  assert.ok(readFileSync(join(target, 'long')).equals(content));
  writeFileSync(join(sandbox.source, 'long'), content);
  const { file, again } = await undisturbed(sandbox.source, async () => ({
    file: await sandbox.backup(),
    again: await sandbox.backup({ parent: 'latest' }),
  }));
  assert.equal(file.summary.data_blobs, 0, 'a file is cut as a stream is');
  assert.equal(again.summary.files_unmodified, 1);
  assert.deepEqual(again.snapshot.root, file.snapshot.root);
  assertSameTree((await sandbox.restoreSource(file.snapshot.root)).target, sandbox.source);
});

test('backup makes no snapshot of a stream that fails', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'broken-stream'));
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(1000);
    throw new Error('pg_dump: connection lost');
  }
  const backing = sandbox.backup({ sources: { path: Buffer.from('/dump'), bytes: broken() } });
  await assert.rejects(backing, /connection lost/);
  assert.equal((await sandbox.snapshots()).length, 0);
});

test('backup keeps all names of absolute and nested sources', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'several'));
  const { source, directory } = sandbox;
  for (const path of ['a/b/c', 'a/d', 'e/f']) {
    mkdirSync(join(source, path), { recursive: true });
    writeFileSync(join(source, path, 'file'), path);
  }
  writeFileSync(join(directory, 'beside'), 'not backed up');
  symlinkSync('a/d', join(source, 'to-d'));
  const sources = [
    `${source}/a/b`,
    `${source}/./a/../a/d/`,
    `${source}//a/b/c`,
    `${source}/to-d`,
    `${source}/missing`,
  ].map((path) => Buffer.from(path));
  const { snapshot, errors, events } = await sandbox.backup({ sources });
  assert.equal(errors, 1);
  assert.deepEqual(
    events.map((event) => [event.kind, event.path.toString()]),
    [['error', `${source}/missing`]],
  );
  assert.deepEqual(
    snapshot.paths.map(String),
    ['a/b', 'a/d', 'a/b/c', 'to-d'].map((path) => join(source, path)),
  );
  const { target } = await sandbox.restore(snapshot.root);
  const found = treeImage(target).map((line) => line.split(' ')[0]);
  assert.deepEqual(
    found.filter((path) => path?.startsWith(`${source}/`)).map((path) => path?.slice(source.length)),
    ['/a', '/a/b', '/a/b/c', '/a/b/c/file', '/a/d', '/a/d/file', '/to-d'],
  );
});

test('backup fails and stores nothing when there is nothing to back up', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'nothing'));
  await assert.rejects(
    sandbox.backup({ sources: [Buffer.from('/no/such/place')] }),
    isVarveError('usage', /all source paths are missing/),
  );
  await assert.rejects(
    sandbox.backup({ sources: [Buffer.alloc(0)] }),
    isVarveError('usage', /all source paths are missing/),
  );
  assert.equal((await sandbox.snapshots()).length, 0);
  for await (const { name } of sandbox.store.list('locks')) assert.fail(`a lease is left: ${name}`);
});

test('backup reports excluded files and does not store them', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'excludes'));
  const { source } = sandbox;
  for (const directory of ['keep', 'node_modules', 'keep/cache', 'keep/marked'])
    mkdirSync(join(source, directory), { recursive: true });
  for (const file of [
    'keep/a.txt',
    'keep/a.LOG',
    'keep/b.log',
    'node_modules/x',
    'keep/cache/x',
    'keep/marked/x',
    'keep/marked/.nobackup',
  ])
    writeFileSync(join(source, file), file);
  writeFileSync(join(source, 'keep/cache/CACHEDIR.TAG'), 'Signature: 8a477f597d28d172789f06886806bc55');
  writeFileSync(join(source, 'keep/large'), Buffer.alloc(5000));
  const filter = {
    ...NO_FILTER,
    excludes: ['node_modules', '*.log'],
    excludeCaches: true,
    excludeIfPresent: ['.nobackup'],
    excludeLargerThan: 4000,
  };
  const { snapshot, events } = await sandbox.backup({ filter, verbose: true });
  const { target } = await sandbox.restoreSource(snapshot.root);
  assert.deepEqual(
    treeImage(target).map((line) => line.split(' ')[0]),
    [
      '/keep',
      '/keep/a.LOG',
      '/keep/a.txt',
      '/keep/cache',
      '/keep/cache/CACHEDIR.TAG',
      '/keep/marked',
      '/keep/marked/.nobackup',
    ],
  );
  assert.deepEqual(snapshot.excludes, ['node_modules', '*.log']);
  const excluded = events.flatMap((event) =>
    event.kind === 'item' && event.action === 'excluded' ? [event.path.toString().slice(source.length)] : [],
  );
  assert.deepEqual(excluded.sort(), ['/keep/b.log', '/keep/cache/*', '/keep/large', '/keep/marked/*', '/node_modules']);
});

/** Runs `disturb` when the backup is about to reach the last files. */
async function whileReading(sandbox: Sandbox, disturb: () => void): ReturnType<Sandbox['backup']> {
  let done = false;
  return sandbox.backup({
    threads: 1,
    verbose: true,
    onEvent: (event) => {
      if (done || event.kind !== 'item') return;
      done = true;
      disturb();
    },
  });
}

test('backup goes on when files vanish, change or are replaced', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'disturbed'));
  const at = (name: string): string => join(sandbox.source, name);
  // Many, so that the disturbance comes between reading the directory and reading its last files.
  for (let number = 0; number < 300; number++)
    writeFileSync(at(`file ${String(number).padStart(3, '0')}`), randomBytes(200_000));
  for (const name of ['vanishes', 'grows', 'shrinks', 'turns-link', 'turns-folder'])
    writeFileSync(at(`z-${name}`), randomBytes(100_000));
  const { snapshot, id } = await whileReading(sandbox, () => {
    unlinkSync(at('z-vanishes'));
    writeFileSync(at('z-grows'), randomBytes(300_000));
    truncateSync(at('z-shrinks'), 10);
    unlinkSync(at('z-turns-link'));
    symlinkSync('/etc/passwd', at('z-turns-link'));
    unlinkSync(at('z-turns-folder'));
    mkdirSync(at('z-turns-folder'));
  });
  assert.ok(id);
  const { target, progress } = await sandbox.restoreSource(snapshot.root, { verify: true });
  assert.equal(progress.errors, 0);
  const image = treeImage(target);
  assert.ok(image.filter((line) => line.startsWith('/file ')).length === 300);
  assert.ok(
    image.every((line) => !line.includes('/etc/passwd')) || image.some((line) => line.startsWith('/z-turns-link 12')),
  );
});

test('backup reports unreadable files and directories and stores the rest', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'gone'));
  mkdirSync(join(sandbox.source, 'folder'));
  writeFileSync(join(sandbox.source, 'folder/file'), 'x');
  for (let number = 0; number < 200; number++) writeFileSync(join(sandbox.source, `a ${number}`), randomBytes(100_000));
  const { errors, events, snapshot } = await whileReading(sandbox, () =>
    rmSync(join(sandbox.source, 'folder'), { recursive: true }),
  );
  const told = events.filter((event) => event.kind === 'error');
  assert.equal(errors, told.length);
  const { target } = await sandbox.restoreSource(snapshot.root);
  assert.ok(treeImage(target).length >= 200);
});

test('backup makes no snapshot when it is aborted, and the next one uses the stored data', {
  timeout: 120_000,
}, async () => {
  const sandbox = await Sandbox.create(join(scratch, 'abort'));
  const total = 60;
  for (let number = 0; number < total; number++)
    writeFileSync(join(sandbox.source, `file ${number}`), randomBytes(1_000_000));
  const abort = new AbortController();
  let items = 0;
  const onEvent = (): void => {
    items++;
    if (items === 25) abort.abort();
  };
  const first = sandbox.backup({ signal: abort.signal, verbose: true, onEvent, packTarget: 2_000_000, threads: 2 });
  await assert.rejects(first, isVarveError('interrupted'));
  assert.equal((await sandbox.snapshots()).length, 0);
  for await (const { name } of sandbox.store.list('locks')) assert.fail(`a lease is left: ${name}`);
  const { summary, snapshot } = await sandbox.backup();
  assert.ok(summary.data_added <= (total - 20) * 1_000_000, `${summary.data_added} bytes were stored again`);
  assert.ok(summary.data_added > 0);
  const { target } = await sandbox.restoreSource(snapshot.root);
  assertSameTree(target, sandbox.source);
});

test('backup ends at once when it was aborted before the start', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'aborted'));
  writeFileSync(join(sandbox.source, 'file'), 'x');
  await assert.rejects(sandbox.backup({ signal: AbortSignal.abort() }), isVarveError('interrupted'));
  assert.equal((await sandbox.snapshots()).length, 0);
  await sandbox.backup();
  await assert.rejects(sandbox.backup({ parent: 'latest', signal: AbortSignal.abort() }), isVarveError('interrupted'));
  assert.equal((await sandbox.snapshots()).length, 1, 'nor when nothing has to be read');
});

test('backup misses only the file that was renamed away during listing', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'renamed'));
  for (let number = 0; number < 200; number++) writeFileSync(join(sandbox.source, `a ${number}`), randomBytes(100_000));
  writeFileSync(join(sandbox.source, 'z'), 'z');
  const { errors, events, id } = await whileReading(sandbox, () =>
    renameSync(join(sandbox.source, 'z'), join(sandbox.directory, 'z')),
  );
  assert.ok(id);
  assert.equal(errors, events.filter(({ kind }) => kind === 'error').length);
});
