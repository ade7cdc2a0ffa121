import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type MountTables, missingMount } from '../../src/storage/local/missing-mount.js';

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'varve-mounts-')));
after(() => rmSync(scratch, { recursive: true, force: true }));
const disk = join(scratch, 'disk');
mkdirSync(disk);

function tables({
  fstab = '',
  unit = '',
  mounts = '',
}: {
  fstab?: string;
  unit?: string;
  mounts?: string;
}): MountTables {
  const units = mkdtempSync(join(scratch, 'units-'));
  const write = (name: string, text: string): string => {
    writeFileSync(join(units, name), text);
    return join(units, name);
  };
  return {
    fstab: write('fstab', fstab),
    units: [join(scratch, 'none'), units],
    removable: [{ directory: join(scratch, 'media'), depth: 1 }],
    mounts: write('mounts', `/dev/vda / ext4 rw 0 0\n${mounts}`),
    ...(unit !== '' && write('disk.mount', unit) && {}),
  };
}

const LINE = `# disks\nUUID=1234\t${disk}/ ext4  noauto,nofail 0 2\n`;

test('missingMount names the directory when fstab mounts a disk there and it is not mounted', () => {
  for (const path of [disk, join(disk, 'varve'), join(disk, 'a', 'b')])
    assert.equal(missingMount(path, tables({ fstab: LINE }))?.directory, disk);
});

test('missingMount finds nothing when the disk is mounted or the path is elsewhere', () => {
  const mounts = `/dev/sdb1 ${disk} ext4 rw 0 0\n`;
  assert.equal(missingMount(join(disk, 'varve'), tables({ fstab: LINE, mounts })), undefined);
  assert.equal(missingMount(`${disk}2`, tables({ fstab: LINE })), undefined);
  assert.equal(missingMount(scratch, tables({ fstab: LINE })), undefined);
});

test('missingMount follows links and understands escaped spaces', () => {
  const spaced = join(scratch, 'two words');
  mkdirSync(spaced);
  symlinkSync(spaced, join(scratch, 'link'));
  const fstab = `LABEL=x ${spaced.replace(' ', '\\040')} ext4 defaults\n`;
  assert.equal(missingMount(join(scratch, 'link', 'varve'), tables({ fstab }))?.directory, spaced);
  const mounts = `/dev/sdb1 ${spaced.replace(' ', '\\040')} ext4 rw\n`;
  assert.equal(missingMount(join(scratch, 'link', 'varve'), tables({ fstab, mounts })), undefined);
});

test('missingMount reads the mount units of systemd', () => {
  const unit = `[Mount]\nWhat=/dev/sdb1\nWhere=${disk}\n`;
  assert.deepEqual(missingMount(join(disk, 'varve'), tables({ unit })), {
    directory: disk,
    reason: 'systemd (disk.mount) mounts a disk on',
  });
});

test('missingMount reports a removable disk only when nothing is mounted in its directory', () => {
  const stick = join(scratch, 'media', 'stick');
  assert.equal(missingMount(join(stick, 'varve'), tables({}))?.directory, stick);
  assert.equal(missingMount(join(stick, 'varve'), tables({ mounts: `/dev/sdb1 ${stick} vfat rw\n` })), undefined);
});

test('missingMount finds nothing when the tables cannot be read', () => {
  const none = join(scratch, 'none');
  assert.equal(missingMount(disk, { ...tables({ fstab: LINE }), mounts: none }), undefined);
  assert.equal(missingMount(disk, { ...tables({}), fstab: none }), undefined);
});
