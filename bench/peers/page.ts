import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EXPERIMENTS, type Experiment } from './options.js';

const TITLES: Record<Experiment, string> = {
  phases: 'Backup and restore',
  memory: 'Memory',
  huge: 'One huge file',
  start: 'Starting',
  snapshots: 'Listing many snapshots',
  million: 'A folder of a million files',
  names: 'Very many names',
  sparse: 'A sparse file',
  upkeep: 'Prune and check',
  s3: 'An S3 server, near and far',
  mount: 'Reading from a mount',
  'before-after': 'Before and after',
};

const INTRODUCTION = `# Benchmarks

varve beside other backup programs, each with its default settings, in one run, in turn, on the same data. \`npm run bench\` writes this
page: it renews the sections that it measures and leaves the others.

\`\`\`
npm ci && npm run build
npm run bench -- --repeat 3                  # backup and restore of /usr/lib and /usr/share
npm run bench -- --experiment memory         # peak memory for 1 GiB and 4 GiB of input
npm run bench -- --experiment huge           # one file of 4 GiB
npm run bench -- --experiment start          # help, version and a short list of snapshots
npm run bench -- --experiment snapshots      # listing 1,000 snapshots
npm run bench -- --experiment million        # a folder of 1,000,000 small files
npm run bench -- --experiment names          # 20,000 hard links, 10,000 arguments, a list of 100,000 paths
npm run bench -- --experiment sparse         # a file of 100 GiB, 10 MiB of them data
npm run bench -- --experiment upkeep         # prune after forgetting 45 of 50 snapshots; check
npm run bench -- --experiment s3             # backup to an S3 server and restore from it, near and 50 ms away; requests
npm run bench -- --experiment mount          # find, tar, random reads and ls in a mounted snapshot
npm run bench -- --experiment before-after --before ../built-earlier --repeat 5
npm run bench -- --help
\`\`\`

It needs Linux, rsync, and Debian's packages time, restic and borgbackup; of newer restic, rustic, kopia and borg 2 it takes what it finds
as \`restic-latest\`, \`rustic\`, \`kopia\` and \`borg2\` on the PATH or where \`$BENCH_RESTIC_LATEST\` and so on say.

How it measures:

- The data are a copy, so that nothing else changes them. Each round has new repositories and caches. All programs go through one phase
  before the next begins: a first backup; a second with nothing changed; a restore into an empty folder; a backup after 1 % of the files
  were changed (of these a quarter each edited, rewritten, removed and joined by a new file), the same ones for all.
- What is about to be read stands in the page cache. Before each run everything is synced, and it waits two seconds. Nothing is deleted
  shortly before a restore: for five minutes after 100,000 files were deleted, ext4 takes 10 to 20 CPU seconds more to create as many,
  whichever program does it. So nothing should have been deleted on that disk for as long before a run either. Before a
  restore free memory is filled with pages that can be given up at once: a virtual machine's host takes back what is free, and whoever needs
  it first would pay for that.
- A time counts only when a restore of that snapshot equals the source in contents and metadata, as \`rsync\` compares them with checksums
  and nanoseconds; the backup of the changed data is restored once more for that. Otherwise the row says FAILED.
- Wall time is from start to exit, with opening the repository and deriving the key. CPU time is user and system time of all processes, as
  the kernel counts it. Peak memory is the resident memory of all processes together, looked at every 50 ms, or the kernel's own peak of
  the largest one where that is more. Repository size is what \`du\` says: bytes, and on disk.`;

/** Renews sections of the page and leaves the others as they are. */
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
