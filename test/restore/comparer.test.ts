import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { OwnerNames } from '../../src/filesystem/owners.js';
import { Comparer } from '../../src/restore/comparer.js';
import { FileSystems } from '../../src/restore/file-system.js';
import type { Comparison } from '../../src/restore/messages.js';
import { MetadataSetter } from '../../src/restore/metadata.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { Forge } from './crafted.js';

const scratch = scratchDirectory();
const MIB = 1024 * 1024;
const content = randomBytes(16 * MIB);
const sandbox = await Sandbox.create(join(scratch, 'box'));
const forge = new Forge(await sandbox.open());
const reference = forge.content(content);
const raw = forge.encoded({ name: Buffer.from('file'), content: reference });
await forge.finish();
const { index, keys } = await sandbox.indexed();
const BLOBS = reference.ids.length / 32;
const TEMPORARY = 'temporary';

function overwrite(path: string, text: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, text, 0);
  closeSync(file);
}

/**
 * Compares a file of which only the end differs, and calls `meanwhile` when all of it was looked at and what it has in common with the
 * snapshot is taken from it.
 */
function compareWhile(name: string, mode: number, meanwhile: (path: string) => void) {
  const directory = join(scratch, name);
  mkdirSync(directory);
  const path = join(directory, 'file');
  writeFileSync(path, Buffer.concat([content.subarray(0, 15 * MIB), Buffer.from('another end')]));
  chmodSync(path, mode);
  const rules = { privileged: process.getuid?.() === 0, numericOwner: true, special: true };
  let looks = 0;
  const metadata = new MetadataSetter(rules, new OwnerNames());
  const fileSystems = new FileSystems(() => Buffer.from('probe'), false);
  const comparer = new Comparer(index, keys.id, metadata, fileSystems, false, () => {
    if (++looks === BLOBS + 1) meanwhile(path);
  });
  const opened = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  let comparison: Comparison;
  try {
    const [path, temporary] = [Buffer.from('file'), Buffer.from(TEMPORARY)];
    comparison = comparer.compare(opened, path, { path, raw, temporary, ids: reference.ids, part: undefined }, () =>
      assert.fail(),
    );
  } finally {
    closeSync(opened);
  }
  assert.ok(looks > BLOBS, 'something was taken');
  return { comparison, temporary: join(directory, TEMPORARY) };
}

test('Comparer reuses nothing of a file that changes during the copy', () => {
  const still = compareWhile('still', 0o644, () => undefined);
  assert.equal(still.comparison.outcome, 'partly');
  const changing = compareWhile('changing', 0o644, (path) => {
    const { ctimeNs } = lstatSync(path, { bigint: true });
    // The clock of a file system ticks slowly.
    while (lstatSync(path, { bigint: true }).ctimeNs === ctimeNs) overwrite(path, 'changed');
  });
  assert.deepEqual(changing.comparison, { outcome: 'different' });
  assert.ok(!existsSync(changing.temporary));
});

test('Comparer verifies what it reuses of a file that others can write', () => {
  const { comparison, temporary } = compareWhile('of others', 0o666, (path) => overwrite(path, 'changed'));
  assert.ok(comparison.outcome === 'partly');
  assert.equal(comparison.kept[0], 0, 'the first blob is to be written');
  assert.ok(comparison.kept.includes(1));
  const taken = readFileSync(temporary);
  assert.notEqual(taken.toString('latin1', 0, 7), 'changed');
  assert.ok(taken.subarray(8 * MIB, 12 * MIB).equals(content.subarray(8 * MIB, 12 * MIB)));
});
