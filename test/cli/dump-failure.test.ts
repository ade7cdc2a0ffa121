import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { Playground } from './varve.js';

const place = new Playground();
let source: string;

/** Two packs of trees, of which the one with the directory `z` is lost, so that the archive ends after whole entries. */
before(async () => {
  await place.ok(['init']);
  const beneath = await place.beneath();
  source = place.files('source', { 'z/last': 'the last file' });
  await place.ok(['backup', `${source}/z`]);
  const before = new Set(await beneath.packs());
  place.files('source', { 'a/first': randomBytes(512 * 7) });
  await place.ok(['backup', source]);
  assert.ok(before.size > 0);
  for (const name of before) await beneath.remove('data', name);
});

test('dump writes an archive that tar refuses when it fails between two entries', async () => {
  const { code, bytes, err } = await place.run(['dump', 'latest', source, '--no-cache']);
  assert.equal(code, 1, err);
  assert.ok(bytes.includes('a/first'), 'the archive has what could be read');
  const tar = spawnSync('tar', ['t'], { input: bytes });
  assert.notEqual(tar.status, 0, 'tar takes the archive for whole');
});

test('dump writes an archive that unzip refuses when it fails', async () => {
  const { code, bytes, err } = await place.run(['dump', 'latest', source, '--archive', 'zip', '--no-cache']);
  assert.equal(code, 1, err);
  writeFileSync(place.path('broken.zip'), bytes);
  const python = spawnSync('python3', ['-m', 'zipfile', '-t', place.path('broken.zip')]);
  assert.notEqual(python.status, 0);
});

for (const archive of ['tar', 'zip']) {
  test(`dump --target leaves no partial ${archive}, and keeps an older file, when it fails`, async () => {
    const target = place.path(`archive.${archive}`);
    const dump = ['dump', 'latest', source, '--archive', archive, '--target', target, '--no-cache'];
    const names = readdirSync(place.directory);
    assert.equal((await place.run(dump)).code, 1);
    assert.deepEqual(readdirSync(place.directory), names);
    writeFileSync(target, 'yesterday');
    assert.equal((await place.run(dump)).code, 1);
    assert.equal(readFileSync(target, 'utf8'), 'yesterday');
  });
}

test('dump --target replaces a file and keeps its mode when it succeeds', async () => {
  const target = place.path('whole');
  writeFileSync(target, 'yesterday');
  chmodSync(target, 0o640);
  await place.ok(['dump', 'latest', `${source}/a/first`, '--target', target]);
  assert.equal(readFileSync(target).length, 512 * 7);
  assert.equal(statSync(target).mode & 0o777, 0o640);
});

test('dump --target writes to a device', async () => {
  await place.ok(['dump', 'latest', `${source}/a/first`, '--target', '/dev/null']);
  assert.ok(statSync('/dev/null').isCharacterDevice());
});
