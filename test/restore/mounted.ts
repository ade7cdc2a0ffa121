import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_FUSE } from '../mount/fuse.js';
import { missingPrograms, programPath } from '../servers/programs.js';

/** A file system that does not keep all that a restore sets. */
export interface Mountable {
  readonly name: string;
  /** Why it cannot be mounted here; false when it can. */
  readonly skip: string | false;
  readonly mount: (directory: string, place: string) => (() => void) | undefined;
}

const IMAGE_BYTES = 64 * 1024 * 1024;

/** It takes no links, no holes, no owners and modes, no fine times, few names, and ignores case. */
export const EXFAT: Mountable = {
  name: 'exfat-fuse',
  skip: reasonAgainst(['mount.exfat-fuse', 'mkfs.exfat', 'losetup'], 'exfat-fuse exfatprogs mount'),
  mount(directory, place) {
    program('mkfs.exfat', image(directory));
    const device = program('losetup', '--find', '--show', join(directory, 'image')).trim();
    const free = (): void => void program('losetup', '--detach', device);
    try {
      program('mount.exfat-fuse', device, place);
      return free;
    } catch (cause) {
      free();
      throw cause;
    }
  },
};

const NTFS: Mountable = {
  name: 'ntfs-3g',
  skip: reasonAgainst(['ntfs-3g', 'mkfs.ntfs'], 'ntfs-3g'),
  mount(directory, place) {
    program('mkfs.ntfs', '--force', '--quick', '--quiet', image(directory));
    program('ntfs-3g', join(directory, 'image'), place);
    return undefined;
  },
};

export const FILE_SYSTEMS: readonly Mountable[] = [
  boundWith('bindfs with a mode for all', '--perms=a+rwX'),
  boundWith('bindfs with an owner for all', '--force-user=daemon', '--force-group=daemon'),
  NTFS,
  EXFAT,
];

/** Does something with the file system mounted, and unmounts it in all cases. */
export async function whileMounted(fileSystem: Mountable, action: (place: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'varve-mounted-'));
  const place = join(directory, 'place');
  mkdirSync(place);
  try {
    const free = fileSystem.mount(directory, place);
    try {
      await action(place);
    } finally {
      program('umount', place);
      free?.();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function boundWith(name: string, ...options: readonly string[]): Mountable {
  return {
    name,
    skip: reasonAgainst(['bindfs'], 'bindfs'),
    mount(directory, place) {
      const under = join(directory, 'under');
      mkdirSync(under);
      program('bindfs', ...options, under, place);
      return undefined;
    },
  };
}

function reasonAgainst(programs: readonly string[], from: string): string | false {
  return NO_FUSE || (process.getuid?.() === 0 ? missingPrograms(programs, from) : 'mounts as root only');
}

function image(directory: string): string {
  const path = join(directory, 'image');
  writeFileSync(path, '');
  truncateSync(path, IMAGE_BYTES);
  return path;
}

function program(name: string, ...args: readonly string[]): string {
  return execFileSync(programPath(name) ?? name, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}
