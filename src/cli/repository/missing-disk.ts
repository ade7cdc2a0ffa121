import { missingMount } from '../../storage/local/missing-mount.js';
import type { Context } from '../program/shell.js';

/** Warns before a command writes to a directory where a disk should be mounted and is not. */
export function warnOfMissingDisk({ output }: Context, directory: string): void {
  const missing = missingMount(directory);
  if (missing === undefined) return;
  output.warn(
    `${directory}: ${missing.reason} ${missing.directory}, and nothing is mounted there: the data will fill the disk below`,
  );
}
