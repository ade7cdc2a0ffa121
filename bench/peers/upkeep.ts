import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { placeOf } from './campaign.js';
import { change, copyOf } from './data.js';
import { setting } from './machine.js';
import { type Cost, measure } from './measure.js';
import type { Bench } from './options.js';
import { BASE } from './phases.js';
import type { Place, Program, Step, Upkeep } from './programs/program.js';
import { MIB, mebibytes, ratio, seconds, table } from './table.js';
import { difference, sizeOf, warm } from './tree.js';

const SNAPSHOTS = 50;
/** The snapshots that stay. */
const KEPT = 0.1;
const PAUSE_MILLISECONDS = 2000;

type Tended = Program & { readonly upkeep: Upkeep };

/** The cost of one program's prune and check. */
interface Outcome {
  readonly program: Tended;
  readonly before: number;
  readonly after: number;
  readonly prune: Cost;
  readonly check: Cost;
}

/**
 * A prune after most snapshots of a changing tree were forgotten, then a check that reads everything.
 *
 * @param baseName the program whose figures are the divisors
 */
export async function compareUpkeep(bench: Bench, baseName = BASE): Promise<string> {
  const work = join(bench.work, 'upkeep');
  const source = join(work, 'data');
  bench.say(`copying ${bench.data.join(' ')}`);
  copyOf(bench.data, source);
  const { apparent } = sizeOf(source);
  const programs = bench.programs.filter((program): program is Tended => program.upkeep !== undefined);
  const count = bench.count ?? SNAPSHOTS;
  for (const program of programs) {
    const place = placeOf(program, work, 1, bench.password);
    mkdirSync(place.home, { recursive: true });
    for (const step of program.init(place)) await measure(program, place, step);
  }
  for (let number = 0; number < count; number++) {
    if (number > 0) change(source, number);
    for (const program of programs) {
      const place = placeOf(program, work, 1, bench.password);
      await measure(program, place, program.backup(place, source, `snapshot ${number}`));
    }
    if (number % 10 === 9) bench.say(`${number + 1} snapshots`);
  }
  const outcomes: Outcome[] = [];
  const failed: string[] = [];
  for (const program of programs) {
    try {
      outcomes.push(await tend(program, placeOf(program, work, 1, bench.password), bench, source, work));
    } catch (cause) {
      failed.push(`- ${program.name} FAILED: ${(cause as Error).message.replaceAll('\n', ' ')}`);
    }
  }
  const kept = Math.max(1, Math.round(count * KEPT));
  const text = `${count} snapshots of a copy of ${bench.data.join(' and ')} (${Math.round(apparent / MIB)} MiB), between which 1 % of the files change each time; all but
the newest ${kept} are forgotten. Then \`prune\` (varve with \`--grace 0\`), and \`check --read-data\` of what is left. One round; ÷ is by ${baseName}'s.`;
  return [setting(programs), text, tables(outcomes, kept, baseName), ...failed].join('\n\n');
}

async function tend(program: Tended, place: Place, bench: Bench, source: string, work: string): Promise<Outcome> {
  const { upkeep } = program;
  const kept = Math.max(1, Math.round((bench.count ?? SNAPSHOTS) * KEPT));
  await measure(program, place, upkeep.forget(place, kept));
  const before = sizeOf(place.repository).apparent;
  const timed = async (what: string, step: Step): Promise<Cost> => {
    warm(place.repository);
    execFileSync('sync');
    await sleep(PAUSE_MILLISECONDS);
    const cost = await measure(program, place, step);
    bench.say(`${what} ${program.name}: ${cost.wall.toFixed(2)} s, CPU ${cost.cpu.toFixed(2)} s`);
    return cost;
  };
  const prune = await timed('prune', upkeep.prune(place));
  const after = sizeOf(place.repository).apparent;
  const check = await timed('check', upkeep.check(place));
  const target = join(work, `restored-${program.name}`);
  await measure(program, place, program.restore(place, source, `snapshot ${(bench.count ?? SNAPSHOTS) - 1}`, target));
  const found = difference(source, program.restored(source, target), program.losesHardLinks !== true);
  if (found !== '') throw new Error(`the newest snapshot differs from the source: ${found.slice(0, 300)}`);
  return { program, before, after, prune, check };
}

function tables(outcomes: readonly Outcome[], kept: number, baseName: string): string {
  const base = outcomes.find(({ program }) => program.name === baseName);
  const rows = (['prune', 'check'] as const).flatMap((what) =>
    outcomes.map((each) => {
      const { wall, cpu, memory } = each[what];
      const standard = base?.[what];
      const ratios = [ratio(wall, standard?.wall), ratio(cpu, standard?.cpu), ratio(memory, standard?.memory)];
      return [what, each.program.name, seconds(wall), seconds(cpu), mebibytes(memory), ...ratios];
    }),
  );
  const sizes = outcomes.map(({ program, before, after }) => [
    program.name,
    mebibytes(before),
    mebibytes(after),
    ratio(after, base?.after),
  ]);
  return [
    table(['', 'program', 'wall s', 'CPU s', 'peak memory MiB', 'wall ÷', 'CPU ÷', 'memory ÷'], rows),
    table(['repository', 'before MiB', `of ${kept} snapshots, pruned, MiB`, '÷'], sizes),
  ].join('\n\n');
}
