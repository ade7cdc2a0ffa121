import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { borg, borg2 } from './borg.js';
import { kopia } from './kopia.js';
import type { Program } from './program.js';
import { restic, rustic } from './restic.js';
import { varve } from './varve.js';

type Make = (name: string, command: string, version: string) => Program;

const PEERS: readonly (readonly [name: string, make: Make, ...asksForVersion: string[]])[] = [
  ['restic', restic, 'version'],
  ['borg', borg, '--version'],
  ['restic-latest', restic, 'version'],
  ['rustic', rustic, '--version'],
  ['kopia', kopia, '--version'],
  ['borg2', borg2, '--version'],
];

export const PROGRAM_NAMES: readonly string[] = ['varve', ...PEERS.map(([name]) => name)];

/** Finds the command: at the path in BENCH_NAME, or by its name in the PATH. */
function locate(name: string): string | undefined {
  const told = process.env[`BENCH_${name.toUpperCase().replaceAll('-', '_')}`];
  const directories = (process.env.PATH ?? '').split(delimiter);
  return [...(told ? [told] : []), ...directories.map((directory) => join(directory, name))].find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function versionOf(command: string, words: readonly string[]): string {
  const { stdout } = spawnSync(command, words, { encoding: 'utf8' });
  return /\d+\.\d+[^\s,]*/.exec(stdout ?? '')?.[0] ?? 'unknown';
}

export interface Found {
  readonly programs: readonly Program[];
  readonly missing: readonly string[];
}

/** varve, and the peers that this machine has. */
export function findPrograms(wanted: (name: string) => boolean): Found {
  const programs: Program[] = wanted('varve') ? [varve()] : [];
  const missing: string[] = [];
  for (const [name, make, ...words] of PEERS) {
    if (!wanted(name)) continue;
    const command = locate(name);
    if (command === undefined) missing.push(name);
    else programs.push(make(name, command, versionOf(command, words)));
  }
  return { programs, missing };
}
