import { join } from 'node:path';
import { runCampaign } from './campaign.js';
import { incompressible } from './data.js';
import { setting } from './machine.js';
import type { Bench } from './options.js';
import { BASE, failures, rounds } from './phases.js';
import { MIB, mebibytes, medianCost, ratio, seconds, table } from './table.js';

/** One large file of random bytes: does a program use all cores when there is only one file? */
export async function compareHuge(bench: Bench): Promise<string> {
  const work = join(bench.work, 'huge');
  const source = join(work, 'data');
  const size = Math.max(...bench.sizes);
  bench.say(`writing a file of ${size} MiB`);
  incompressible(source, size * MIB);
  const results = await runCampaign({ ...bench, work, source, phases: ['first', 'restore'] });
  const base = bench.programs.find(({ name }) => name === BASE);
  const rows = (['first', 'restore'] as const).flatMap((phase) => {
    const standard = base && medianCost(results.samples(base, phase));
    return bench.programs.map((program) => {
      const name = phase === 'first' ? 'first backup' : 'restore';
      const samples = results.samples(program, phase);
      const cost = medianCost(samples);
      if (cost === undefined) return [name, program.name, 'FAILED', '', '', '', '', ''];
      const { wall, cpu, memory } = cost;
      const figures = [seconds(wall), seconds(cpu), (cpu / wall).toFixed(2), mebibytes(memory)];
      return [name, program.name, ...figures, mebibytes(samples[0]?.size.apparent ?? 0), ratio(wall, standard?.wall)];
    });
  });
  const header = ['phase', 'program', 'wall s', 'CPU s', 'cores in use', 'peak memory MiB', 'stored MiB', 'wall ÷'];
  const text = `One file of ${size} MiB of incompressible bytes. ${rounds(bench.repeat)}. Cores in use are CPU seconds a second.`;
  return [setting(bench.programs), text, table(header, rows), failures(bench.programs, results)]
    .filter((part) => part !== '')
    .join('\n\n');
}
