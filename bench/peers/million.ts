import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { numbers } from '../chunking/workload.js';
import { type Phase, placeOf, runCampaign } from './campaign.js';
import { setting } from './machine.js';
import { environment } from './measure.js';
import type { Bench } from './options.js';
import { costs, failures, rounds } from './phases.js';
import type { Program } from './programs/program.js';
import { MIB, table } from './table.js';
import { sizeOf } from './tree.js';

const PHASES: readonly Phase[] = ['first', 'unchanged', 'restore'];
const FILES = 1_000_000;

/** One directory of very many small files, and the cost of one change in it. */
export async function compareMillion(bench: Bench): Promise<string> {
  const work = join(bench.work, 'million');
  const source = join(work, 'data');
  const count = bench.count ?? FILES;
  bench.say(`writing ${count} files`);
  fill(source, count);
  const results = await runCampaign({ ...bench, work, source, phases: PHASES });
  appendFileSync(join(source, nameOf(Math.floor(count / 2))), 'changed');
  const rows = bench.programs
    .filter((program) => PHASES.every((phase) => results.failure(program, phase) === undefined))
    .map((program) => costOfOneChange(program, bench, work, source));
  const content = `One directory of ${count} files of 20 to 60 bytes. ${rounds(bench.repeat)}.`;
  const header = ['one file changed', 'new tree blobs', 'bytes added', 'repository grows by bytes'];
  const parts = [setting(bench.programs), content, costs(bench.programs, PHASES, results), table(header, rows)];
  return [...parts, failures(bench.programs, results)].filter((part) => part !== '').join('\n\n');
}

const nameOf = (i: number): string => `file-${String(i).padStart(7, '0')}.txt`;

function fill(directory: string, count: number): void {
  mkdirSync(directory, { recursive: true });
  const next = numbers(5);
  for (let i = 0; i < count; i++)
    writeFileSync(join(directory, nameOf(i)), `${i} ${'x'.repeat(12 + Math.floor(next() * 40))}\n`);
}

/** Backs up once more. A figure is blank when the program does not print it in restic's JSON. */
function costOfOneChange(program: Program, bench: Bench, work: string, source: string): (string | number)[] {
  const place = placeOf(program, work, bench.repeat, bench.password);
  const before = sizeOf(place.repository).apparent;
  const [command = '', ...words] = program.backup(place, source, 'one').argv;
  const text = execFileSync(command, [...words.filter((word) => word !== '-q'), '--json'], {
    cwd: place.home,
    env: environment(program, place),
    encoding: 'utf8',
    maxBuffer: 64 * MIB,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const grown = sizeOf(place.repository).apparent - before;
  const { tree_blobs: blobs, data_added: added } = lastObject(text);
  return [program.name, blobs ?? '', added ?? '', grown];
}

function lastObject(text: string): { tree_blobs?: number; data_added?: number } {
  try {
    return JSON.parse(text.trim().split('\n').at(-1) ?? '') as ReturnType<typeof lastObject>;
  } catch {
    return {};
  }
}
