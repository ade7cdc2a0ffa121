// File systems of their own for the fuzz: tmpfs, and others in loop devices.

import { spawnSync } from 'node:child_process';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const FILE_SYSTEMS = ['tmpfs', 'btrfs', 'ext4'] as const;
export type FileSystem = (typeof FILE_SYSTEMS)[number];

const IMAGE_BYTES = 2 ** 30;

export interface Disk {
  readonly path: string;
  unmount(): void;
}

/** @returns why there is none, where it cannot be made or mounted */
export function mountDisk(directory: string, type: FileSystem): Disk | string {
  const path = join(directory, type);
  mkdirSync(path, { recursive: true });
  const failure = type === 'tmpfs' ? run('mount', '-t', 'tmpfs', 'tmpfs', path) : mountImage(directory, path, type);
  return failure ?? { path, unmount: () => void spawnSync('umount', ['-l', path]) };
}

function mountImage(directory: string, path: string, type: FileSystem): string | undefined {
  const image = join(directory, `${type}.image`);
  writeFileSync(image, '');
  truncateSync(image, IMAGE_BYTES);
  return run(`mkfs.${type}`, '-q', image) ?? run('mount', '-o', 'loop', image, path);
}

function run(command: string, ...args: string[]): string | undefined {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? undefined : `${command}: ${error?.message ?? stderr.trim()}`;
}
