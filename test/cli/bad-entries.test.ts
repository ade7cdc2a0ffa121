import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { encode } from '../../src/bytes/msgpack.js';
import { NO_FUSE, startMount } from '../mount/fuse.js';
import { plantSpoiled } from './bad-entries.js';
import { Playground } from './varve.js';

const place = new Playground();
const source = place.files('source', {
  'folder/a': 'aaa',
  'folder/b': 'bbb',
  'folder/c': 'ccc',
  'folder/d/inside': 'ddd',
  other: 'other',
});
const DIRECTORY = join(source, 'folder');
/** What every command says of the entry. */
const SAID = /folder.*an entry has a wrong number of fields \(entry 2, "b"\)/;
const GOOD = ['a', 'c', 'd'];
/** Without what stands before it. */
const SAID_FIRST = /folder.*an entry has a wrong number of fields \(entry [12], "b"\)/;
let sound = '';

before(async () => {
  await place.ok(['init']);
  sound = await place.backup(source);
  await plantSpoiled(place, DIRECTORY, (name, raw) => (name === 'b' ? encode([Buffer.from('b'), 1, 'spoiled']) : raw));
});

test('a restore lacks the one entry that cannot be read, and says which', async () => {
  const target = place.path('restored');
  const { code, err } = await place.run(['restore', 'latest', '--target', target]);
  assert.equal(code, 1, err);
  assert.match(err, /folder\/b: an entry has a wrong number of fields \(entry 2, "b"\)/);
  assert.deepEqual(readdirSync(join(target, DIRECTORY)).sort(), GOOD);
  assert.equal(readFileSync(join(target, DIRECTORY, 'd/inside'), 'utf8'), 'ddd');
  assert.equal(readFileSync(join(target, source, 'other'), 'utf8'), 'other');
});

test('a restore with --delete keeps the file that stands for an entry that cannot be read', async () => {
  const target = place.files('kept', { [join('x', DIRECTORY, 'b')]: 'mine', [join('x', DIRECTORY, 'old')]: 'old' });
  const { code } = await place.run(['restore', 'latest', '--delete', '--target', join(target, 'x')]);
  assert.equal(code, 1);
  assert.deepEqual(readdirSync(join(target, 'x', DIRECTORY)).sort(), ['a', 'b', 'c', 'd']);
});

test('a restore of other files says nothing of an entry that cannot be read', async () => {
  await place.ok(['restore', 'latest', '--target', place.path('one'), '--include', join(DIRECTORY, 'c')]);
  await place.ok(['restore', `latest:${DIRECTORY}/d`, '--target', place.path('sub')]);
});

test('ls, find, stats and diff go on behind an entry that cannot be read', async () => {
  const listed = await place.run(['ls', '--recursive', 'latest']);
  assert.equal(listed.code, 1);
  assert.match(listed.err, SAID);
  for (const name of GOOD) assert.ok(listed.out.includes(`${DIRECTORY}/${name}\n`), listed.out);
  assert.match(listed.out, /source\/other\n/);
  const found = await place.run(['find', '--snapshot', 'latest', 'c', 'inside', 'other']);
  assert.match(found.err, SAID);
  assert.match(found.out, /folder\/c\n.*inside\n.*other\n/s);
  for (const mode of ['restore-size', 'raw-data']) {
    const counted = await place.run(['stats', 'latest', '--mode', mode]);
    assert.equal(counted.code, 1);
    assert.match(counted.err, SAID);
    assert.match(counted.out, /Total Size/);
  }
  const compared = await place.run(['diff', sound, 'latest']);
  assert.equal(compared.code, 1);
  assert.match(compared.err, SAID);
  assert.doesNotMatch(compared.out, /^[-+M]/m);
});

test('a dump has all else, and ends so that tar fails', async () => {
  const target = place.path('all.tar');
  const { code, err } = await place.run(['dump', 'latest', '/', '--target', target]);
  assert.equal(code, 1);
  assert.match(err, SAID);
  const untar = place.path('untarred');
  execFileSync('mkdir', [untar]);
  assert.throws(() => execFileSync('tar', ['xf', target, '-C', untar], { stdio: 'pipe' }));
  assert.deepEqual(readdirSync(join(untar, DIRECTORY)).sort(), GOOD);
  assert.equal(readFileSync(join(untar, source, 'other'), 'utf8'), 'other');
  const file = await place.run(['dump', 'latest', join(DIRECTORY, 'b')]);
  assert.equal(file.code, 1);
  assert.match(file.err, SAID);
  assert.match((await place.run(['dump', 'latest', join(DIRECTORY, 'none')])).err, /not in the snapshot/);
});

test('check names the entry that cannot be read, and blames nobody', async () => {
  const { code, err, out } = await place.run(['check']);
  assert.equal(code, 1);
  assert.match(err + out, /an entry has a wrong number of fields \(entry 2, "b"\)/);
  assert.doesNotMatch(err + out, /stole|thief|attack/);
});

test('a prune deletes nothing while an entry cannot be read', async () => {
  const { code, err } = await place.run(['prune']);
  assert.equal(code, 1);
  assert.match(err, SAID);
  assert.match(err, /repair snapshots/);
});

test('a backup reads the file again of which the parent snapshot has an entry that cannot be read', async () => {
  const copy = new Playground();
  const directory = copy.files('source', { 'folder/a': 'aaa', 'folder/b': 'bbb', 'folder/c': 'ccc' });
  await copy.ok(['init']);
  // Files are taken for unchanged only when their times, in whole seconds, are more than 2 s older than the backup.
  execFileSync('touch', ['-d', '2020-01-01', ...['a', 'b', 'c'].map((name) => join(directory, 'folder', name))]);
  await new Promise((done) => setTimeout(done, 3100));
  await copy.ok(['backup', directory]);
  await plantSpoiled(copy, join(directory, 'folder'), (name, raw) => (name === 'b' ? encode([Buffer.from('b')]) : raw));
  const { code, err, out } = await copy.run(['backup', directory, '--json']);
  assert.equal(code, 0, err);
  assert.match(err, /the parent snapshot's entry cannot be read.*\(entry 2, \\"b\\"\).*folder\/b"/);
  const summary = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as Record<string, number>;
  assert.deepEqual([summary['files_new'], summary['files_changed'], summary['files_unmodified']], [1, 0, 2]);
  assert.equal((await copy.run(['dump', 'latest', join(directory, 'folder/b')])).out, 'bbb');
  assert.equal((await copy.run(['ls', 'latest', '--recursive'])).code, 0);
});

test('a copy lacks the entry that cannot be read, and says so; a rewrite keeps it', async () => {
  const otherKey = place.path('other-key');
  writeFileSync(otherKey, randomBytes(32), { mode: 0o600 });
  const env = { VARVE_REPOSITORY: place.repository('second'), VARVE_KEY_FILE: otherKey };
  await place.ok(['init'], { env });
  const from = ['--from-repo', place.repository(), '--from-key-file', place.path('key')];
  const copied = await place.run(['copy', ...from, 'latest'], { env });
  assert.equal(copied.code, 3, copied.err);
  assert.match(copied.err, SAID);
  const listed = await place.ok(['ls', '--recursive', 'latest'], { env });
  assert.deepEqual(listed.out.match(/(?<=folder\/)\w+(?=\n)/g), GOOD);
  const rewritten = await place.run(['rewrite', 'latest', '--exclude', join(DIRECTORY, 'a')]);
  assert.equal(rewritten.code, 0, rewritten.err);
  assert.match(rewritten.err, SAID_FIRST);
  const [, fresh = ''] = / as ([0-9a-f]+)\n/.exec(rewritten.out) ?? [];
  const after = await place.run(['ls', fresh, DIRECTORY]);
  assert.match(after.err, SAID_FIRST);
  assert.deepEqual(after.out.match(/(?<=folder\/)\w+(?=\n)/g), ['c', 'd']);
});

test('a mount shows all else, and gives an error for the entry that cannot be read', { skip: NO_FUSE }, async () => {
  const mount = await startMount(place, 'mnt');
  try {
    const directory = join(mount.path, 'snapshots/latest', DIRECTORY);
    assert.deepEqual(readdirSync(directory).sort().slice(-2), ['c', 'd']);
    assert.ok(!readdirSync(directory).includes('b'));
    assert.throws(() => readFileSync(join(directory, 'b')), { code: 'EIO' });
    assert.throws(() => readFileSync(join(directory, 'none')), { code: 'ENOENT' });
    assert.equal(readFileSync(join(directory, 'd/inside'), 'utf8'), 'ddd');
  } finally {
    await mount.stop();
  }
  assert.match(mount.stderr(), /an entry is left out: .*folder: an entry has a wrong number of fields/);
});

test('repair snapshots leaves out what cannot be read, and prune goes on', async () => {
  const repaired = await place.run(['repair', 'snapshots', '--forget']);
  assert.equal(repaired.code, 3, 'the new snapshot lacks something');
  assert.match(repaired.out, /folder\/b: the entry is left out: .*wrong number of fields/);
  await place.ok(['check', '--read-data']);
  await place.ok(['prune']);
  const listed = await place.ok(['ls', 'latest', DIRECTORY]);
  assert.match(listed.out, /folder\/c\n/);
  assert.doesNotMatch(listed.out, /folder\/b\n/);
});
