import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { PHASES, type Phase } from './campaign.js';
import { PROGRAM_NAMES } from './programs/find.js';
import type { Program } from './programs/program.js';

export const EXPERIMENTS = [
  'phases',
  'memory',
  'huge',
  'start',
  'snapshots',
  'million',
  'names',
  'sparse',
  'upkeep',
  'house',
  's3',
  'mount',
  'before-after',
] as const;
export type Experiment = (typeof EXPERIMENTS)[number];

const PAGE = fileURLToPath(new URL('../../../docs/benchmarks.md', import.meta.url));

export const USAGE = `Usage: npm run bench -- [--experiment ${EXPERIMENTS.join(',')}|all] [--data PATH…] [--repeat N] [--only PROGRAM,…]
    [--phases ${PHASES.join(',')}] [--sizes MIB,…] [--count N] [--before DIRECTORY] [--work DIRECTORY] [--out FILE]

  --experiment  what to measure; the default is phases: backups and restore, program beside program
  --data        what is backed up (a copy of it); default: /usr/lib /usr/share
  --repeat      rounds, of which the median counts; default: 1
  --only        of ${PROGRAM_NAMES.join(', ')}; those that this machine lacks are skipped.
                $BENCH_RESTIC_LATEST, $BENCH_RUSTIC, … say where a program is that is not on the PATH by its name
  --phases      leave out phases; the first backup and a restore that checks it are always run
  --sizes       MiB of input for memory, the largest also for huge and mount; default: 1024,4096
  --count       snapshots for snapshots, default: 1000, and for upkeep, default: 50; files for million, default: 1000000
  --before      for before-after: a checkout of varve that is built, with which this one is compared
  --work        where repositories and restored files go, in a new directory that is removed at the end; default: the temporary directory.
                The default data take about 12 GiB a program and round
  --out         page whose sections are renewed; default: docs/benchmarks.md`;

export interface Options {
  readonly experiments: readonly Experiment[];
  readonly data: readonly string[];
  readonly repeat: number;
  readonly isWanted: (program: string, experiment: Experiment) => boolean;
  readonly phases: readonly Phase[];
  /** MiB. */
  readonly sizes: readonly number[];
  readonly count: number | undefined;
  /** An absolute directory. */
  readonly before: string | undefined;
  readonly workParent: string;
  readonly page: string;
}

/** The input of an experiment. */
export interface Bench extends Omit<Options, 'isWanted' | 'workParent' | 'page' | 'experiments'> {
  readonly programs: readonly Program[];
  readonly work: string;
  readonly password: string;
  readonly say: (text: string) => void;
}

const TEXT = { type: 'string' } as const;
const WORDS = { type: 'string', multiple: true } as const;

/** @throws Error with a message for the user */
export function parseOptions(argv: readonly string[]): Options | 'help' {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      experiment: WORDS,
      data: WORDS,
      only: WORDS,
      phases: WORDS,
      repeat: TEXT,
      sizes: TEXT,
      count: TEXT,
      before: TEXT,
      work: TEXT,
      out: TEXT,
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return 'help';
  const data = [...(values.data ?? []), ...positionals];
  const experiments = chosen('experiment', values.experiment ?? ['phases'], [...EXPERIMENTS, 'all']);
  const only = chosen('only', values.only ?? [], PROGRAM_NAMES);
  return {
    experiments: EXPERIMENTS.filter(
      (name) =>
        experiments.includes(name) || (experiments.includes('all') && (name !== 'before-after' || values.before)),
    ),
    data: (data.length === 0 ? ['/usr/lib', '/usr/share'] : data).map((path) => resolve(path)),
    repeat: whole('repeat', values.repeat ?? '1'),
    isWanted: (program, experiment) => (only.length === 0 ? isUsual(program, experiment) : only.includes(program)),
    phases: chosen('phases', values.phases ?? PHASES, PHASES),
    sizes: (values.sizes ?? '1024,4096').split(',').map((size) => whole('sizes', size)),
    count: values.count === undefined ? undefined : whole('count', values.count),
    before: values.before === undefined ? undefined : resolve(values.before),
    workParent: resolve(values.work ?? tmpdir()),
    page: resolve(values.out ?? PAGE),
  };
}

const BESIDE_RESTIC: readonly Experiment[] = ['memory', 'huge', 'start', 'million', 'names', 'upkeep', 's3', 'mount'];

function isUsual(program: string, experiment: Experiment): boolean {
  return experiment === 'phases' || program === 'varve' || (program === 'restic' && BESIDE_RESTIC.includes(experiment));
}

function chosen<T extends string>(option: string, given: readonly string[], known: readonly T[]): readonly T[] {
  const words = given.flatMap((text) => text.split(','));
  return words.map((word) => {
    const found = known.find((each) => each === word);
    if (found === undefined) throw new Error(`--${option}: ${word} is none of ${known.join(', ')}`);
    return found;
  });
}

function whole(option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`--${option}: ${text} is no whole number above 0`);
  return Number(text);
}
