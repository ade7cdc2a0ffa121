import { join } from 'node:path';
import { PHASES, type Phase, type Results, runCampaign } from './campaign.js';
import { copyOf } from './data.js';
import { setting } from './machine.js';
import type { Bench } from './options.js';
import type { Program } from './programs/program.js';
import { MIB, mebibytes, median, medianCost, ratio, seconds, table } from './table.js';
import { sizeOf } from './tree.js';

const NAMES: Record<Phase, string> = {
  first: 'first backup',
  unchanged: 'nothing changed',
  restore: 'restore',
  changed: '1 % changed',
};
/** The program whose figures are the divisors. */
export const BASE = 'restic';

export async function comparePhases(bench: Bench): Promise<string> {
  const work = join(bench.work, 'phases');
  const source = join(work, 'data');
  bench.say(`copying ${bench.data.join(' ')}`);
  copyOf(bench.data, source);
  const size = sizeOf(source);
  const phases = PHASES.filter((phase) => bench.phases.includes(phase));
  const results = await runCampaign({ ...bench, work, source, phases });
  const { programs } = bench;
  const shown = programs.some(({ name }) => name === BASE) ? `; ÷ is by ${BASE}'s` : '';
  const content = `A copy of ${bench.data.join(' and ')}: ${size.files} files, ${Math.round(size.apparent / MIB)} MiB. ${rounds(bench.repeat)}${shown}.`;
  return [
    setting(programs),
    content,
    costs(programs, phases, results),
    sizes(programs, results),
    failures(programs, results),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

export const rounds = (repeat: number): string => (repeat === 1 ? 'One round' : `Medians of ${repeat} rounds`);

/** @param baseName the program whose figures are the divisors */
export function costs(
  programs: readonly Program[],
  phases: readonly Phase[],
  results: Results,
  baseName = BASE,
): string {
  const base = programs.find(({ name }) => name === baseName);
  const rows = phases.flatMap((phase) => {
    const standard = base && medianCost(results.samples(base, phase));
    return programs.map((program) => {
      const cost = medianCost(results.samples(program, phase));
      if (cost === undefined) return [NAMES[phase], program.name, 'FAILED', '', '', '', '', ''];
      const { wall, cpu, memory } = cost;
      const ratios = [ratio(wall, standard?.wall), ratio(cpu, standard?.cpu), ratio(memory, standard?.memory)];
      return [NAMES[phase], program.name, seconds(wall), seconds(cpu), mebibytes(memory), ...ratios];
    });
  });
  return table(['phase', 'program', 'wall s', 'CPU s', 'peak memory MiB', 'wall ÷', 'CPU ÷', 'memory ÷'], rows);
}

function sizes(programs: readonly Program[], results: Results): string {
  const base = programs.find(({ name }) => name === BASE);
  const stored = (program: Program, phase: Phase, kind: 'apparent' | 'allocated'): number | undefined => {
    const samples = results.samples(program, phase);
    return samples.length === 0 ? undefined : median(samples.map(({ size }) => size[kind]));
  };
  const cell = (bytes: number | undefined): string => (bytes === undefined ? '' : mebibytes(bytes));
  const rows = programs.map((program) => [
    program.name,
    cell(stored(program, 'first', 'apparent')),
    cell(stored(program, 'first', 'allocated')),
    ratio(stored(program, 'first', 'apparent'), base && stored(base, 'first', 'apparent')),
    cell(stored(program, 'changed', 'apparent')),
    cell(stored(program, 'changed', 'allocated')),
    ratio(stored(program, 'changed', 'apparent'), base && stored(base, 'changed', 'apparent')),
  ]);
  const header = ['repository', 'first backup MiB', 'on disk MiB', '÷', '1 % changed MiB', 'on disk MiB', '÷'];
  return table(header, rows);
}

export function failures(programs: readonly Program[], results: Results): string {
  const lines = programs.flatMap((program) =>
    PHASES.map((phase) => results.failure(program, phase))
      .filter((reason, i, all) => reason !== undefined && all.indexOf(reason) === i)
      .map((reason) => `- ${program.name} FAILED: ${reason?.replaceAll('\n', ' ')}`),
  );
  return lines.join('\n');
}
