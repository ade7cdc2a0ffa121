// What parity costs: backups of a directory with and without it, and healing, as a table in Markdown. docs/parity.md has results.
// Run by `npm run bench:parity -- DIRECTORY --rounds 3` after `npm run build`; needs Debian's package time, and disk space for the repositories.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { setting } from '../peers/machine.js';
import { type Cost, measure } from '../peers/measure.js';
import type { Place, Step } from '../peers/programs/program.js';
import { VARVE_MAIN, varve } from '../peers/programs/varve.js';
import { mebibytes, median, medianCost, ratio, seconds, table } from '../peers/table.js';

const PERCENTS = [0, 5, 10, 50];

interface Run {
  readonly backup: Cost;
  readonly scrub: Cost;
  /** Undefined without parity. */
  readonly repair: Cost | undefined;
  readonly bytes: number;
}

const program = varve();
const step = (...words: string[]): Step => ({ argv: [process.execPath, VARVE_MAIN, ...words] });

async function run(place: Place, source: string, percent: number): Promise<Run> {
  await measure(program, place, step('init', ...(percent > 0 ? ['--parity', String(percent)] : [])));
  const backup = await measure(program, place, step('backup', '-q', source));
  const packs = packsOf(place);
  const bytes = packs.reduce((sum, path) => sum + statSync(path).size, 0);
  const scrub = await measure(program, place, step('check', '-q', '--scrub'));
  for (const path of packs) flipBit(path);
  const repair = percent > 0 ? await measure(program, place, step('check', '-q', '--scrub', '--repair')) : undefined;
  rmSync(place.repository, { recursive: true });
  return { backup, scrub, repair, bytes };
}

function packsOf({ repository }: Place): string[] {
  const data = join(repository, 'data');
  return readdirSync(data, { recursive: true })
    .map((name) => join(data, String(name)))
    .filter((path) => statSync(path).isFile());
}

function flipBit(path: string): void {
  const bytes = readFileSync(path);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] as number) ^ 1;
  writeFileSync(path, bytes);
}

function row(percent: number, runs: readonly Run[], base: readonly Run[]): string[] {
  const [backup, scrub] = [medianCost(runs.map((each) => each.backup)), medianCost(runs.map((each) => each.scrub))];
  const repair = medianCost(runs.flatMap((each) => each.repair ?? []));
  const bytes = median(runs.map((each) => each.bytes));
  const plain = medianCost(base.map((each) => each.backup));
  const cost = (each: Cost | undefined): string[] => (each ? [seconds(each.wall), seconds(each.cpu)] : ['', '']);
  const more = [ratio(backup?.cpu, plain?.cpu), ratio(bytes, median(base.map((each) => each.bytes)))];
  return [
    String(percent),
    ...cost(backup),
    more[0] ?? '',
    mebibytes(bytes),
    more[1] ?? '',
    ...cost(scrub),
    ...cost(repair),
  ];
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string', default: '3' } },
  });
  const source = resolve(positionals[0] ?? '/usr/share');
  const work = mkdtempSync(join(tmpdir(), 'varve-parity-'));
  const place: Place = { home: join(work, 'home'), repository: join(work, 'repo'), password: join(work, 'password') };
  mkdirSync(place.home);
  writeFileSync(place.password, 'parity\n', { mode: 0o600 });
  const runs = PERCENTS.map((): Run[] => []);
  try {
    // The first run brings the source into the page cache.
    await run(place, source, 0);
    for (let round = 0; round < Number(values.rounds); round++)
      for (const [at, percent] of PERCENTS.entries()) runs[at]?.push(await run(place, source, percent));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const header = ['parity %', 'backup s', 'CPU s', '÷', 'packs MiB', '÷', 'scrub s', 'CPU s', 'heal all s', 'CPU s'];
  console.log(`${setting([program])}\n`);
  console.log(
    table(
      header,
      PERCENTS.map((percent, at) => row(percent, runs[at] ?? [], runs[0] ?? [])),
    ),
  );
}

await main();
