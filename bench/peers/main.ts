// Times varve beside other backup programs and writes docs/benchmarks.md. Run by `npm run bench` after `npm run build`.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compareBuilds } from './before-after.js';
import { compareHouse } from './house.js';
import { compareHuge } from './huge.js';
import { compareMemory } from './memory.js';
import { compareMillion } from './million.js';
import { compareMount } from './mount.js';
import { compareNames } from './names.js';
import { type Bench, type Experiment, type Options, parseOptions, USAGE } from './options.js';
import { writePage } from './page.js';
import { comparePhases } from './phases.js';
import { findPrograms } from './programs/find.js';
import { compareS3 } from './s3/compare.js';
import { compareSnapshots } from './snapshots.js';
import { compareSparse } from './sparse.js';
import { compareStart } from './start.js';
import { compareUpkeep } from './upkeep.js';

const RUN: Record<Experiment, (bench: Bench) => Promise<string>> = {
  phases: comparePhases,
  memory: compareMemory,
  huge: compareHuge,
  start: compareStart,
  snapshots: compareSnapshots,
  million: compareMillion,
  names: compareNames,
  sparse: compareSparse,
  upkeep: compareUpkeep,
  house: compareHouse,
  s3: compareS3,
  mount: compareMount,
  'before-after': compareBuilds,
};

function say(text: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);
}

async function measureAll(options: Options): Promise<boolean> {
  mkdirSync(options.workParent, { recursive: true });
  const work = mkdtempSync(join(options.workParent, 'varve-bench-'));
  process.once('SIGINT', () => process.exit(130));
  process.once('exit', () => rmSync(work, { recursive: true, force: true }));
  const password = join(work, 'password');
  writeFileSync(password, 'correct horse battery staple\n', { mode: 0o600 });
  const measured = new Map<Experiment, string>();
  for (const experiment of options.experiments) {
    const { programs, missing } = findPrograms((name) => options.isWanted(name, experiment));
    say(`${experiment}: ${programs.map(({ name, version }) => `${name} ${version}`).join(', ')}`);
    if (missing.length > 0) say(`not on this machine, skipped: ${missing.join(', ')}`);
    const text = await RUN[experiment]({ ...options, programs, work, password, say });
    console.log(`\n${text}\n`);
    measured.set(experiment, text);
    writePage(options.page, measured);
    rmSync(join(work, experiment), { recursive: true });
  }
  return ![...measured.values()].some((text) => text.includes('FAILED'));
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') console.log(USAGE);
  else if (!(await measureAll(options))) process.exitCode = 1;
} catch (cause) {
  console.error(`bench: ${cause instanceof Error ? cause.message : cause}`);
  process.exitCode = 1;
}
