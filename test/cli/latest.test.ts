import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { rmSync } from 'node:fs';
import { before, test } from 'node:test';
import { Playground } from './varve.js';

const place = new Playground();
let source: string;
let older: string;
let newest: string;

before(async () => {
  await place.ok(['init']);
  source = place.files('source', { letter: 'first' });
  older = await place.backup(source);
  place.files('source', { letter: 'second' });
  newest = await place.backup(source);
  await (await place.beneath()).plant('snapshots', newest, Buffer.from('nothing'));
  // This machine remembers the snapshots that it has read.
  rmSync(place.path('cache'), { recursive: true });
});

const COMMANDS: Record<string, () => string[]> = {
  restore: () => ['restore', 'latest', '--target', place.path('restored')],
  dump: () => ['dump', 'latest', `${source}/letter`],
  ls: () => ['ls', 'latest'],
  diff: () => ['diff', older, 'latest'],
  forget: () => ['forget', 'latest'],
  'cat snapshot': () => ['cat', 'snapshot', 'latest'],
  'backup --parent': () => ['backup', '--parent', 'latest', source],
};

for (const [name, args] of Object.entries(COMMANDS)) {
  test(`${name} fails and names both snapshots when the latest cannot be read`, async () => {
    const { code, err, out } = await place.run([...args(), '--no-cache']);
    assert.equal(code, 1, out + err);
    assert.match(
      err,
      new RegExp(
        `^Fatal: snapshot ${newest.slice(0, 8)} may be the latest and cannot be read \\(.*\\); the newest that can be read is ${older.slice(0, 8)} of 20\\S+Z: name it if it will do$`,
        'm',
      ),
    );
  });
}

test('restore names the reason when the snapshot asked for by id cannot be read', async () => {
  const { code, err } = await place.run(['restore', newest.slice(0, 8), '--target', place.path('x'), '--no-cache']);
  assert.equal(code, 1);
  assert.match(err, new RegExp(`^Fatal: snapshot ${newest.slice(0, 8)} cannot be read: snapshots/${newest}: `, 'm'));
});

test('restore takes the older snapshot when it is named', async () => {
  await place.ok(['restore', older, '--target', place.path('older'), '--no-cache']);
});

test('restore takes the latest when the snapshot that cannot be read is older', async () => {
  const other = new Playground();
  await other.ok(['init']);
  const directory = other.files('source', { letter: 'first' });
  const first = await other.backup(directory);
  const beneath = await other.beneath();
  await beneath.plant('snapshots', first, Buffer.from('nothing'));
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await other.backup(directory, '--no-cache');
  const { code, err } = await other.run(['restore', 'latest', '--target', other.path('restored'), '--no-cache']);
  // A store that does not say when objects were written leaves it open which is the newest.
  if (process.env.VARVE_TEST_STORE === 'rest') assert.equal(code, 1);
  else assert.equal(code, 0, err);
  assert.match(err, /^Warning: a snapshot is skipped: /m);
});
