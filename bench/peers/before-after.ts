import { join } from 'node:path';
import { type Phase, runCampaign } from './campaign.js';
import { copyOf } from './data.js';
import { setting } from './machine.js';
import type { Bench } from './options.js';
import { costs, failures, rounds } from './phases.js';
import { varveOf } from './programs/varve.js';
import { MIB } from './table.js';
import { sizeOf } from './tree.js';
import { compareUpkeep } from './upkeep.js';

const PHASES: readonly Phase[] = ['first', 'unchanged', 'restore'];
/** The program whose figures are the divisors. */
const BASE = 'before';
/** Snapshots before the prune. */
const SNAPSHOTS = 12;

/** Compares an earlier build of varve with this one, in turn on the same data: has varve become slower? */
export async function compareBuilds(bench: Bench): Promise<string> {
  if (bench.before === undefined) throw new Error('before-after needs --before DIRECTORY, a built checkout');
  const work = join(bench.work, 'before-after');
  const source = join(work, 'data');
  bench.say(`copying ${bench.data.join(' ')}`);
  copyOf(bench.data, source);
  const { files, apparent } = sizeOf(source);
  const programs = [varveOf('before', bench.before), varveOf('after')];
  const results = await runCampaign({ ...bench, programs, work, source, phases: PHASES });
  const content = `An earlier build of varve and this one, in turn on a copy of ${bench.data.join(' and ')}: ${files} files, ${Math.round(apparent / MIB)} MiB. ${rounds(bench.repeat)}; ÷ is by the earlier one's.`;
  const upkeep = await compareUpkeep({ ...bench, programs, count: bench.count ?? SNAPSHOTS }, BASE);
  const parts = [
    setting(programs),
    content,
    costs(programs, PHASES, results, BASE),
    failures(programs, results),
    upkeep,
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}
