import { spawnSync } from 'node:child_process';
import { closeSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';

const WINDOW = Buffer.allocUnsafe(4 * 1024 * 1024);

/** What `du` reports for a directory. Bytes. */
export interface Size {
  readonly files: number;
  readonly apparent: number;
  readonly allocated: number;
}

/** Regular files below a directory, in an order that does not depend on the file system. */
export function* files(directory: string): Generator<string> {
  const entries = readdirSync(directory, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else if (entry.isFile()) yield path;
  }
}

export function sizeOf(directory: string): Size {
  let [count, apparent, allocated] = [0, 0, 0];
  for (const path of files(directory)) {
    const { size, blocks } = lstatSync(path);
    count++;
    apparent += size;
    allocated += blocks * 512;
  }
  return { files: count, apparent, allocated };
}

/** Reads everything once, so that it is in the page cache. */
export function warm(directory: string): void {
  for (const path of files(directory)) {
    const file = openSync(path, 'r');
    while (readSync(file, WINDOW) > 0);
    closeSync(file);
  }
}

/**
 * Compares two directories by contents, types, modes, times to the nanosecond, links, hard links and (for root) owners.
 *
 * @returns the differences as rsync itemizes them; an empty text when there are none
 */
export function difference(source: string, copy: string, hardLinks: boolean): string {
  const flags = `-rlptDnc${hardLinks ? 'H' : ''}${process.getuid?.() === 0 ? 'og' : ''}`;
  const words = [flags, '--delete', '--itemize-changes', '--modify-window=-1', `${source}/`, `${copy}/`];
  const { status, stdout, stderr, error } = spawnSync('rsync', words, { encoding: 'utf8', maxBuffer: 2 ** 30 });
  if (error !== undefined) throw new Error(`rsync is needed to compare: ${error.message}`);
  return status === 0 ? stdout.trim() : `${stderr}${stdout}`.trim();
}
