import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Store } from '../../../src/storage/store.js';
import { isVarveError } from '../../errors/expect-error.js';
import { SSHD_MISSING, type Sshd, sftpServer, startSshd } from '../../servers/sshd.js';
import { conformance, names, object } from '../conformance.js';
import { allFiles, testsInFiles } from '../in-files.js';
import { planting } from '../plant.js';
import { openBy, openOn } from './places.js';

const skip = SSHD_MISSING;
const PLAIN = fileURLToPath(new URL('../../servers/plain-sftp.js', import.meta.url));
let sshd: Sshd;
let number = 0;

before(async () => {
  if (skip === false) sshd = await startSshd();
});
after(() => sshd?.stop());

describe('sftp', { skip }, () => {
  conformance('sftp', async () => {
    const path = join(sshd.directory, `repository-${number++}`);
    const store = await openOn(sshd, path);
    await store.create();
    return { store, other: await openOn(sshd, path), plant: planting(path) };
  });
});

describe('sftp without extensions', { skip: skip || (sftpServer === undefined && 'no sftp-server') }, () => {
  const exceptions = {
    'a read during a replace returns the old or the new bytes': 'version 3 has no such rename',
  };
  conformance(
    'sftp without extensions',
    async () => {
      const path = join(sshd.directory, `repository-${number++}`);
      const open = (): Promise<Store> => openBy(`${process.execPath} ${PLAIN} ${sftpServer}`, path);
      const store = await open();
      await store.create();
      return { store, other: await open(), plant: planting(path) };
    },
    exceptions,
  );
});

/** A repository's directory of its own. */
async function fresh(): Promise<{ store: Store; path: string }> {
  const path = join(sshd.directory, `repository-${number++}`);
  const store = await openOn(sshd, path);
  await store.create();
  return { store, path };
}

testsInFiles(fresh, skip);

test('a relative path is below the server’s start directory, and create makes its parents', {
  skip,
}, async () => {
  const store = await openBy(`${sftpServer} -d ${sshd.directory}`, `some/where/${number++}`);
  await store.create();
  const { name, bytes } = object(10);
  await store.put('keys', name, [bytes]);
  await store.put('config', 'config', [bytes]);
  assert.ok(existsSync(join(sshd.directory, 'some', 'where', String(number - 1), 'keys', name)));
  assert.ok(existsSync(join(sshd.directory, 'some', 'where', String(number - 1), 'config')));
  await store.close();
});

test('a listing of many names is complete', { skip }, async () => {
  const { store, path } = await fresh();
  const wanted = Array.from({ length: 1500 }, (_, i) => i.toString(16).padStart(64, '0'));
  for (const name of wanted) writeFileSync(join(path, 'snapshots', name), '');
  assert.deepEqual(await names(store, 'snapshots'), wanted.sort());
  await store.close();
});

test('the error names what is in the way of an object', { skip }, async () => {
  const { store, path } = await fresh();
  const { name, bytes } = object(10);
  rmSync(join(path, 'locks'), { recursive: true });
  writeFileSync(join(path, 'locks'), 'in the way');
  await assert.rejects(
    store.put('locks', name, [bytes]),
    isVarveError('storage', new RegExp(`cannot write locks/${name}: `)),
  );
  mkdirSync(join(path, 'index', name));
  await assert.rejects(store.get('index', name), isVarveError('storage', new RegExp(`cannot read index/${name}: `)));
  const file = join(path, 'file');
  writeFileSync(file, '');
  const below = await openOn(sshd, join(file, 'below'));
  await assert.rejects(
    below.create(),
    isVarveError('storage', /cannot create the repository directory: .*file exists, but is not a directory/),
  );
  await store.close();
  await below.close();
});

test('a read-only account can read, and fails to write with advice', { skip }, async () => {
  const { store, path } = await fresh();
  const { name, bytes } = object(10);
  await store.put('index', name, [bytes]);
  await store.close();
  const readOnly = await startSshd({ subsystem: 'internal-sftp -R' });
  try {
    const reader = await openOn(readOnly, path);
    assert.deepEqual(await reader.get('index', name), bytes);
    assert.deepEqual(await names(reader, 'index'), [name]);
    assert.ok(Math.abs((await reader.now()) - Date.now() / 1000) < 5);
    const other = object(20);
    await assert.rejects(
      reader.put('index', other.name, [other.bytes]),
      isVarveError(
        'denied',
        new RegExp(`cannot write index/${other.name}: .*permission denied: is the account read-only`),
      ),
    );
    await assert.rejects(reader.remove('index', name), isVarveError('denied', /cannot remove index/));
    assert.deepEqual(await reader.get('index', name), bytes);
    await reader.close();
  } finally {
    await readOnly.stop();
  }
});

test('the error says that a directory belongs to another user', { skip: skip || isRoot() }, async () => {
  const { store, path } = await fresh();
  const { name, bytes } = object(10);
  chmodSync(join(path, 'snapshots'), 0o500);
  await assert.rejects(store.put('snapshots', name, [bytes]), isVarveError('denied', /belong to another/));
  await store.close();
});

test('a full disk is an error that leaves nothing, and writing works again with space', { skip }, async (t) => {
  const path = join(sshd.directory, `repository-${number++}`);
  mkdirSync(path);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', path]).status !== 0)
    return t.skip('no small disk can be mounted here');
  try {
    const store = await openOn(sshd, path);
    await store.create();
    const { name, bytes } = object(3_000_000);
    await assert.rejects(
      store.put('data', name, [bytes]),
      isVarveError('full', /cannot write data\/.*no space left.*free/),
    );
    assert.deepEqual(allFiles(path), []);
    assert.equal(spawnSync('mount', ['-o', 'remount,size=8m', path]).status, 0);
    await store.put('data', name, [bytes]);
    assert.equal(spawnSync('mount', ['-o', 'remount,ro', path]).status, 0);
    const other = object(10);
    await assert.rejects(
      store.put('data', other.name, [other.bytes]),
      isVarveError('denied', /file system is read-only/),
    );
    await store.close();
  } finally {
    spawnSync('umount', ['-l', path]);
  }
});

function isRoot(): string | false {
  return process.getuid?.() === 0 ? 'permissions do not bind root' : false;
}
