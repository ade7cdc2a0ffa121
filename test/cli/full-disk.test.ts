import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { NEEDS_LOCAL } from '../servers/test-place.js';
import { Playground } from './varve.js';

const NEEDS_ROOT = process.getuid?.() !== 0 && 'only root can mount a small disk';
const FILE = 3_000_000;

/** A disk of 16 MiB in memory, for the repository and the cache. @returns undefined, and skips the test, where none can be mounted */
function smallDisk(t: TestContext): Playground | undefined {
  let mounted: string | undefined;
  // Before the playground's own hook, which removes the directory.
  t.after(() => mounted && spawnSync('umount', ['-l', mounted]));
  const place = new Playground();
  const disk = place.path('disk');
  mkdirSync(disk);
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', disk], { encoding: 'utf8' });
  if (status !== 0) {
    t.skip(`cannot mount a tmpfs: ${stderr}`);
    return undefined;
  }
  mounted = disk;
  place.env['VARVE_REPOSITORY'] = place.path('disk', 'repo');
  place.env['XDG_CACHE_HOME'] = place.path('disk', 'cache');
  return place;
}

/** Takes all the space that is left. */
function fill(place: Playground): void {
  const file = openSync(place.path('disk', 'filler'), 'a');
  try {
    for (const block of [Buffer.alloc(1024 * 1024), Buffer.alloc(4096)])
      try {
        for (;;) writeSync(file, block);
      } catch {
        // Full, for blocks of this size.
      }
  } finally {
    closeSync(file);
  }
  assert.equal(statfsSync(place.path('disk')).bavail, 0);
}

test('on a disk without any space all is read, snapshots are forgotten, and prune recovers', {
  skip: NEEDS_ROOT || NEEDS_LOCAL,
}, async (t) => {
  const place = smallDisk(t);
  if (place === undefined) return;
  await place.ok(['init']);
  const kept = randomBytes(FILE);
  const first = await place.backup(place.files('first', { file: randomBytes(FILE) }));
  await place.backup(place.files('second', { file: kept }));
  fill(place);

  const full = await place.run(['backup', place.files('third', { file: randomBytes(FILE) })]);
  assert.deepEqual([full.code, /no space left/.test(full.err)], [1, true]);
  assert.match((await place.ok(['check', '--read-data'])).out, /^no errors were found/m);
  await place.ok(['restore', `latest:${place.path('second')}`, '--target', place.path('back')]);
  assert.ok(readFileSync(place.path('back', 'file')).equals(kept));
  await place.ok(['forget', first]);
  await place.ok(['unlock']);
  fill(place);

  const stuck = await place.run(['prune', '--grace', '0']);
  assert.equal(stuck.code, 1);
  const [, id = ''] = /`varve prune --unsafe-recover-no-free-space ([0-9a-f]+)`/.exec(stuck.err) ?? [];
  const mistaken = await place.run(['prune', '--unsafe-recover-no-free-space', 'abcd']);
  assert.match(mistaken.err, new RegExp(`must pass id '${id}'`));
  await place.ok(['prune', '--unsafe-recover-no-free-space', id]);
  const { bavail, bsize } = statfsSync(place.path('disk'));
  assert.ok(bavail * bsize > FILE * 0.9, `${bavail * bsize} bytes are free`);
  assert.match((await place.ok(['check', '--read-data'])).out, /^no errors were found/m);
  rmSync(place.path('disk', 'filler'));
  await place.backup(place.path('third'));
});
