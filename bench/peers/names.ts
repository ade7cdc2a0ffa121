import { linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { placeOf } from './campaign.js';
import { setting } from './machine.js';
import { type Cost, measure } from './measure.js';
import type { Bench } from './options.js';
import { BASE, rounds } from './phases.js';
import type { Place, Program, Step } from './programs/program.js';
import { medianCost, ratio, seconds, table } from './table.js';

const LINKS = 20_000;
const ARGUMENTS = 10_000;
const LINES = 100_000;

interface Task {
  readonly name: string;
  readonly step: (program: Program, place: Place, round: number) => Step;
}

/** Very many names: hard links to one file, paths as arguments, and lines of a list. */
export async function compareNames(bench: Bench): Promise<string> {
  const work = join(bench.work, 'names');
  const tasks = makeTasks(work);
  const costs = new Map<string, Cost[]>();
  for (const program of bench.programs) {
    const place = placeOf(program, work, 1, bench.password);
    mkdirSync(place.home, { recursive: true });
    for (const step of program.init(place)) await measure(program, place, step);
  }
  for (const { name, step } of tasks) {
    bench.say(name);
    for (let round = 1; round <= bench.repeat; round++) {
      for (const program of bench.programs) {
        const place = placeOf(program, work, 1, bench.password);
        const cost = await measure(program, place, step(program, place, round));
        const key = `${name} ${program.name}`;
        costs.set(key, [...(costs.get(key) ?? []), cost]);
      }
    }
  }
  const peer = bench.programs.find(({ name }) => name.startsWith(BASE));
  const rows = tasks.flatMap(({ name }) => {
    const costOf = (program: string): Cost | undefined => medianCost(costs.get(`${name} ${program}`) ?? []);
    const base = peer && costOf(peer.name);
    return bench.programs.map((program) => {
      const { wall, cpu } = costOf(program.name) as Cost;
      return [name, program.name, seconds(wall), seconds(cpu), ratio(wall, base?.wall), ratio(cpu, base?.cpu)];
    });
  });
  const header = ['what', 'program', 'wall s', 'CPU s', 'wall ÷', 'CPU ÷'];
  return [setting(bench.programs), `${rounds(bench.repeat)}; ÷ is by ${BASE}'s.`, table(header, rows)].join('\n\n');
}

/** The backup of the hard links is the last one, because the restores use it. */
function makeTasks(work: string): readonly Task[] {
  const [links, files, list] = [join(work, 'links'), join(work, 'files'), join(work, 'list')];
  mkdirSync(links, { recursive: true });
  mkdirSync(files);
  writeFileSync(join(links, 'file'), 'content');
  for (let i = 1; i < LINKS; i++) linkSync(join(links, 'file'), join(links, `link ${i}`));
  const paths = Array.from({ length: LINES }, (_, i) => join(files, `file ${i}`));
  for (const path of paths) writeFileSync(path, path);
  writeFileSync(list, `${paths.join('\n')}\n`);
  const backup = (program: Program, place: Place, ...what: readonly string[]): Step => {
    const { argv } = program.backup(place, '', '');
    return { argv: [...argv.slice(0, -1), ...what], directory: files };
  };
  const names = paths.slice(0, ARGUMENTS).map((path) => path.slice(files.length + 1));
  const restore = (program: Program, place: Place, round: number, isFirst: boolean): Step => {
    const target = join(work, `restored by ${program.name} ${round}`);
    if (isFirst) rmSync(target, { recursive: true, force: true });
    return program.restore(place, links, '', target);
  };
  return [
    { name: `backup of ${ARGUMENTS} paths as arguments`, step: (program, place) => backup(program, place, ...names) },
    {
      name: `backup of ${LINES} lines of a list`,
      step: (program, place) => backup(program, place, '--files-from-verbatim', list),
    },
    { name: `backup of ${LINKS} hard links of a file`, step: (program, place) => backup(program, place, links) },
    { name: 'restore of those', step: (program, place, round) => restore(program, place, round, true) },
    { name: 'restore of those, all there', step: (program, place, round) => restore(program, place, round, false) },
  ];
}
