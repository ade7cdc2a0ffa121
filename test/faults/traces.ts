/** What a run leaves behind: exit code, words, calls that failed, objects. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import type { Area, Command } from './commands.js';
import type { Fault, Report } from './preload.js';
import type { Ended } from './program.js';
import type { Stage } from './stage.js';

/** What a run without faults prints and leaves. */
export interface Sound {
  readonly ended: Ended;
  readonly report: Report;
  readonly snapshots: readonly string[];
  readonly packs: number;
}

export interface Run {
  readonly command: Command;
  readonly area: Area;
  readonly fault: Fault;
  readonly ended: Ended;
  readonly report: Report;
}

/** Seconds since 1970: snapshots of the stage are older, those of a run are newer. */
const OLDEST_OF_RUN = 1_750_000_000;

/** What two runs of a command have in common. */
export function describeSnapshots(snapshots: readonly StoredSnapshot[]): string[] {
  const texts = snapshots.map(({ snapshot: { tags, paths, time } }) => {
    const when = time.seconds < OLDEST_OF_RUN ? time.seconds : 'new';
    return `${when} ${paths.map(String).join()} ${tags.join()}`;
  });
  return texts.sort();
}

export function packCount(stage: Stage, repository: string): number {
  return filesBelow(stage.run(repository, 'data')).length;
}

/** Names, sizes and times of all objects but leases. */
export function objectsIn(repository: string): string {
  const files = filesBelow(repository).filter((path) => !path.startsWith('locks/'));
  return files
    .map((path) => {
      const { size, mtimeMs } = statSync(join(repository, path));
      return `${path} ${size} ${mtimeMs}`;
    })
    .join('\n');
}

export function filesBelow(directory: string): string[] {
  const paths = readdirSync(directory, { recursive: true }).map(String);
  return paths.filter((path) => !statSync(join(directory, path)).isDirectory()).sort();
}
