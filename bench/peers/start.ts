// The time of short commands, compared with Node itself, and of listing a few snapshots, compared with restic.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setting } from './machine.js';
import { type Measured, measure } from './measure.js';
import type { Bench } from './options.js';
import type { Place, Program } from './programs/program.js';
import { VARVE_MAIN } from './programs/varve.js';
import { median, ratio, table } from './table.js';

const LEAST_ROUNDS = 15;
const SNAPSHOTS = 3;

interface Timed {
  readonly name: string;
  readonly program: Measured;
  readonly place: Place;
  readonly argv: readonly string[];
}

export async function compareStart(bench: Bench): Promise<string> {
  const node = [process.execPath];
  const varve = bench.programs.find(({ name }) => name === 'varve');
  const restic = bench.programs.find(({ name }) => name.startsWith('restic'));
  if (varve === undefined) throw new Error('varve is needed');
  const place = await filled(bench, varve);
  const own = (...words: string[]): Timed => ({
    name: `varve ${words.join(' ')}`,
    program: varve,
    place,
    argv: [...node, VARVE_MAIN, ...words],
  });
  const bare = { name: 'node -e 0', program: varve, place, argv: [...node, '-e', '0'] };
  const pairs: [Timed, Timed][] = [
    [bare, own('--help')],
    [bare, own('version')],
  ];
  if (restic !== undefined) {
    const theirs = await filled(bench, restic);
    const [command = ''] = restic.init(theirs)[0]?.argv ?? [];
    const listing = { name: `${restic.name} snapshots`, program: restic, place: theirs, argv: [command, 'snapshots'] };
    pairs.push([listing, own('snapshots')]);
  }
  const rounds = Math.max(LEAST_ROUNDS, bench.repeat);
  const rows = [];
  for (const pair of pairs) rows.push(await row(pair, rounds));
  const text = `The two commands of a pair run in turn, ${rounds} times, after a run that does not count; wall time in milliseconds.
The repositories have ${SNAPSHOTS} snapshots, and each program derives its key with the parameters that its own \`init\` chose.
On a busy machine the least time says more than the median.`;
  const header = ['command', 'least', 'median', 'beside', 'least', 'median', 'ratio of the least', 'of the medians'];
  return [setting(bench.programs), text, table(header, rows)].join('\n\n');
}

async function row([base, timed]: [Timed, Timed], rounds: number): Promise<string[]> {
  const times: Record<'base' | 'timed', number[]> = { base: [], timed: [] };
  for (let i = -1; i < rounds; i++) {
    const [first, second] = [await wall(base), await wall(timed)];
    if (i < 0) continue;
    times.base.push(first);
    times.timed.push(second);
  }
  const [least, leastOfBase] = [Math.min(...times.timed), Math.min(...times.base)];
  const [middle, middleOfBase] = [median(times.timed), median(times.base)];
  return [
    timed.name,
    least.toFixed(0),
    middle.toFixed(0),
    base.name,
    leastOfBase.toFixed(0),
    middleOfBase.toFixed(0),
    ratio(least, leastOfBase),
    ratio(middle, middleOfBase),
  ];
}

/** Milliseconds. */
const wall = async ({ program, place, argv }: Timed): Promise<number> =>
  (await measure(program, place, { argv })).wall * 1000;

async function filled(bench: Bench, program: Program): Promise<Place> {
  const directory = join(bench.work, 'start', program.name);
  const place = { home: join(directory, 'home'), repository: join(directory, 'repository'), password: bench.password };
  const source = join(directory, 'source');
  mkdirSync(source, { recursive: true });
  for (const step of program.init(place)) await measure(program, place, step);
  for (let i = 0; i < SNAPSHOTS; i++) {
    writeFileSync(join(source, `file-${i}`), 'a few words\n');
    await measure(program, place, program.backup(place, source, `backup-${i}`));
  }
  return place;
}
