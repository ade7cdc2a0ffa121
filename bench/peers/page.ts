import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXPERIMENTS, type Experiment } from './options.js';

const TITLES: Record<Experiment, string> = {
  phases: 'Backup and restore',
  memory: 'Memory',
  huge: 'One huge file',
  start: 'Starting',
  snapshots: 'Listing many snapshots',
  million: 'A directory of a million files',
  names: 'Very many names',
  sparse: 'A sparse file',
  upkeep: 'Prune and check',
  house: 'Ten machines with append keys',
  s3: 'An S3 server, near and far',
  mount: 'Reading from a mount',
  'before-after': 'Before and after',
};

const INTRODUCTION = `# Benchmarks

This page compares varve with other backup programs.
Each runs with its default settings, in turn, in one run, on the same data.
\`npm run bench\` writes this page: it replaces the sections that it measures and leaves the others.

\`\`\`
npm ci && npm run build
npm run bench -- --repeat 3                  # backup and restore of /usr/lib and /usr/share
npm run bench -- --experiment memory         # peak memory for 1 GiB and 4 GiB of input
npm run bench -- --experiment huge           # one file of 4 GiB
npm run bench -- --experiment start          # help, version and a short list of snapshots
npm run bench -- --experiment snapshots      # listing 1,000 snapshots
npm run bench -- --experiment million        # a directory of 1,000,000 small files
npm run bench -- --experiment names          # 20,000 hard links, 10,000 arguments, a list of 100,000 paths
npm run bench -- --experiment sparse         # a file of 100 GiB, 10 MiB of them data
npm run bench -- --experiment upkeep         # prune after forgetting 45 of 50 snapshots; check
npm run bench -- --experiment house          # a week of ten machines with append keys: what they store twice
npm run bench -- --experiment s3             # backup to an S3 server and restore from it, near and 50 ms away; requests
npm run bench -- --experiment mount          # find, tar, random reads and ls in a mounted snapshot
npm run bench -- --experiment before-after --before ../built-earlier --repeat 5
npm run bench -- --help
\`\`\`

It needs Linux, rsync, and Debian's packages time, restic and borgbackup.
It also compares a newer restic, rustic, kopia and borg 2 when it finds \`restic-latest\`, \`rustic\`, \`kopia\` and \`borg2\` in the PATH, or at the paths in \`$BENCH_RESTIC_LATEST\`, \`$BENCH_RUSTIC\` and so on.

How it measures:

- **Data.** The source is a copy, so that no other program changes it.
  Each round has new repositories and caches.
- **Phases.** All programs finish one phase before the next begins: a first backup; a backup of unchanged data; a restore into an empty directory; a backup after 1 % of the files changed (a quarter each edited, rewritten, removed and added), the same files for all.
- **Caches.** The data to be read is in the page cache.
  Before each command the run syncs all disks and waits two seconds.
  It deletes nothing shortly before a restore, and you should not either: for five minutes after 100,000 files were deleted, ext4 takes 10 to 20 CPU seconds more to create as many, for any program.
  Before a restore the run fills free memory with pages that the kernel can reclaim at once: the host of a virtual machine takes back free memory, and the first program to need it would pay for that.
- **Correctness.** A time counts only when a restore of that snapshot equals the source in contents and metadata, as \`rsync\` compares them with checksums and nanoseconds.
  Otherwise the row says FAILED.
  The backup of the changed data is restored once more for this.
- **Wall time** is from start to exit, with opening the repository and deriving the key.
- **CPU time** is user and system time of all processes, as the kernel counts it.
- **Peak memory** is the resident memory of all processes together, sampled every 50 ms, or the kernel's peak of the largest process where that is more.
- **Repository size** is what \`du\` reports: bytes, and on disk.`;

/** Replaces the sections that were measured and keeps the others. */
export function writePage(page: string, measured: ReadonlyMap<Experiment, string>): void {
  const before = readOrEmpty(page);
  const sections = EXPERIMENTS.map((name) => {
    const text = measured.get(name);
    return text === undefined ? sectionOf(before, name) : `## ${TITLES[name]}\n\n${text}`;
  });
  mkdirSync(dirname(page), { recursive: true });
  writeFileSync(page, `${[INTRODUCTION, ...sections.filter((section) => section !== '')].join('\n\n')}\n`);
}

function sectionOf(page: string, name: Experiment): string {
  const found = `\n${page}`.split(/\n(?=## )/).find((section) => section.startsWith(`## ${TITLES[name]}\n`));
  return found?.trim() ?? '';
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
