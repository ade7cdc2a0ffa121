import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Phase, runCampaign } from './campaign.js';
import { copyOf, mixture, portionOf } from './data.js';
import { setting } from './machine.js';
import type { Bench } from './options.js';
import { failures, rounds } from './phases.js';
import { MIB, mebibytes, medianCost, table } from './table.js';
import { sizeOf } from './tree.js';

const PHASES: readonly Phase[] = ['first', 'unchanged', 'restore'];

interface Input {
  readonly name: string;
  make(directory: string, bytes: number): void;
}

/** Peak memory for a small and a large input of the same kind of files. */
export async function compareMemory(bench: Bench): Promise<string> {
  const all = join(bench.work, 'memory', 'all');
  bench.say(`copying ${bench.data.join(' ')}`);
  copyOf(bench.data, all);
  const inputs: readonly Input[] = [
    { name: `part of ${bench.data.join(' and ')}`, make: (directory, bytes) => portionOf(all, bytes, directory) },
    { name: 'generated, half of it compressible', make: mixture },
  ];
  const rows: (string | number)[][] = [];
  const complaints: string[] = [];
  for (const [i, input] of inputs.entries()) {
    for (const size of bench.sizes) {
      const work = join(bench.work, 'memory', `${i}-${size}`);
      const source = join(work, 'data');
      input.make(source, size * MIB);
      const { files, apparent } = sizeOf(source);
      bench.say(`${input.name}: ${files} files, ${mebibytes(apparent)} MiB`);
      const results = await runCampaign({ ...bench, work, source, phases: PHASES });
      for (const program of bench.programs) {
        const peaks = PHASES.map((phase) => medianCost(results.samples(program, phase))?.memory);
        const cells = peaks.map((peak) => (peak === undefined ? 'FAILED' : mebibytes(peak)));
        rows.push([input.name, Math.round(apparent / MIB), files, program.name, ...cells]);
      }
      complaints.push(failures(bench.programs, results));
      rmSync(work, { recursive: true });
    }
  }
  const header = ['input', 'MiB', 'files', 'program', 'first backup', 'nothing changed', 'restore'];
  const text = `Peak resident memory of the whole process tree, in MiB. ${rounds(bench.repeat)}.`;
  return [setting(bench.programs), text, table(header, rows), ...complaints].filter((part) => part !== '').join('\n\n');
}
