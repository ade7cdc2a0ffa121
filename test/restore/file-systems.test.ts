import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { ContentRef } from '../../src/format/content.js';
import type { RestoreEvent, RestoreProgress } from '../../src/restore/options.js';
import { beginRun, endRun, partName } from '../../src/restore/temporary-names.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { EXFAT, FILE_SYSTEMS, whileMounted } from './mounted.js';

const MIB = 1024 * 1024;
const scratch = scratchDirectory();
const large = randomBytes(12 * MIB);
const CONTENTS: Record<string, Buffer> = {
  large,
  small: Buffer.from('small'),
  other: Buffer.from('other'),
  'folder/inner': Buffer.from('inner'),
};
/** Names that only some file systems take. */
const ODD = ['Case', 'case', 'colon:', Buffer.from([0x62, 0xff])];
let sandbox: Sandbox;
let root: ContentRef;

before(async () => {
  sandbox = await Sandbox.create(join(scratch, 'sandbox'));
  const { source } = sandbox;
  mkdirSync(join(source, 'folder'));
  for (const [name, content] of Object.entries(CONTENTS)) writeFileSync(join(source, name), content);
  chmodSync(join(source, 'small'), 0o640);
  utimesSync(join(source, 'small'), 1_000_000_001.25, 1_000_000_001.25);
  linkSync(join(source, 'small'), join(source, 'zz further name'));
  symlinkSync('small', join(source, 'symlink'));
  writeFileSync(join(source, 'sparse'), '');
  truncateSync(join(source, 'sparse'), 2 * MIB);
  appendFileSync(join(source, 'sparse'), 'end');
  for (const name of ODD) writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from(name)]), name);
  const { snapshot } = await sandbox.backup();
  root = await sandbox.sourceIn(snapshot.root);
});

/** A restore after which all that the file system takes is there, with the paths of the rest. */
async function restoreTo(target: string): Promise<{ progress: RestoreProgress; failed: string[]; about: string[] }> {
  const { progress, events } = await sandbox.restore(root, { target });
  const failed = events.filter((event) => event.kind === 'error').map(({ path }) => path.toString('latin1'));
  const about = events.flatMap((event) => (event.kind === 'warning' ? [`${event.about} ${event.path}`] : []));
  for (const [name, content] of Object.entries(CONTENTS))
    assert.ok(readFileSync(join(target, name)).equals(content), `${name} is right`);
  assert.equal(readFileSync(join(target, 'zz further name'), 'utf8'), 'small');
  const sparse = readFileSync(join(target, 'sparse'));
  assert.equal(sparse.length, 2 * MIB + 3);
  assert.equal(sparse.toString('latin1').replaceAll('\0', ''), 'end');
  const names = readdirSync(target, { encoding: 'latin1', recursive: true });
  assert.deepEqual(
    names.filter((name) => name.includes('.varve-')),
    [],
    'no temporary file is left',
  );
  assert.equal(new Set(failed).size, failed.length, 'a path fails once');
  assert.equal(new Set(about).size, about.length, 'each warning comes once for a path');
  return { progress, failed: failed.sort(), about };
}

/** What cannot be there. */
const LACKING: Record<string, string[]> = {
  'ntfs-3g': ['/b\xff'],
  'exfat-fuse': ['/b\xff', '/case', '/colon:', '/symlink'],
};

for (const fileSystem of FILE_SYSTEMS) {
  const lacking = LACKING[fileSystem.name] ?? [];
  test(
    `a restore to ${fileSystem.name} restores all that it takes, and so do a second one and one after a kill`,
    {
      skip: fileSystem.skip,
    },
    () =>
      whileMounted(fileSystem, async (place) => {
        const target = join(place, 'target');
        const first = await restoreTo(target);
        assert.deepEqual(first.failed, lacking);
        const second = await restoreTo(target);
        assert.deepEqual(second.failed, lacking);
        assert.equal(second.progress.bytesRestored, 0, 'what is there is not written again');
        leaveParts(target);
        const afterKill = await restoreTo(target);
        assert.deepEqual(afterKill.failed, lacking);
      }),
  );
}

/** Leaves what a restore leaves that is killed while it writes the large file. */
function leaveParts(target: string): void {
  rmSync(join(target, 'large'));
  const run = `${2 ** 22 + 1}${beginAndEnd().replace(/^\d+/, '')}`;
  writeFileSync(join(target, partName(Buffer.from('large'), run).toString()), large.subarray(0, 5 * MIB), {
    mode: 0o600,
  });
  writeFileSync(join(target, `.varve-tmp-${run}-1-0`), 'sma', { mode: 0o600 });
}

function beginAndEnd(): string {
  const run = beginRun();
  endRun(run);
  return run;
}

test(
  'a restore says what exFAT cannot keep, and mixes up no names that differ only in case',
  { skip: EXFAT.skip },
  () =>
    whileMounted(EXFAT, async (place) => {
      const target = join(place, 'target');
      const { about } = await restoreTo(target);
      for (const warning of ['link /zz further name', 'holes /sparse', 'times /small', 'mode /small'])
        assert.ok(about.includes(warning), `${warning} in ${about}`);
      const { events } = await sandbox.restore(root, { target, delete: true });
      assert.equal(readFileSync(join(target, 'Case'), 'utf8'), 'Case');
      assert.match(messageOf(events, '/case'), /differs only in case/);
      assert.match(
        messageOf(events, '/symlink'),
        /is a symbolic link, which the target's file system does not support/,
      );
      assert.match(messageOf(events, '/colon:'), /does not support this name/);
    }),
);

function messageOf(events: readonly RestoreEvent[], path: string): string {
  const event = events.find((each) => each.kind === 'error' && each.path.toString() === path);
  return event?.kind === 'error' ? event.message : '';
}
