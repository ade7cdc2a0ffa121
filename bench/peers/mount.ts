import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { peakMemory } from '../../test/servers/peak-memory.js';
import { numbers } from '../chunking/workload.js';
import { placeOf } from './campaign.js';
import { alternating, copyOf, incompressible } from './data.js';
import { setting } from './machine.js';
import { environment, measure } from './measure.js';
import type { Bench } from './options.js';
import { BASE, rounds } from './phases.js';
import type { Place, Program } from './programs/program.js';
import { MIB, mebibytes, median, ratio, seconds, table } from './table.js';
import { sizeOf, warm } from './tree.js';

const LISTED = 1000;
const READS = 1000;
const READ_BYTES = 4096;
const PAUSE_MILLISECONDS = 2000;
/** Milliseconds to wait for the mount. */
const PATIENCE_MILLISECONDS = 60_000;
/** The kernel's ticks a second, the unit of its CPU times. */
const TICKS = 100;

type Mounting = Program & Required<Pick<Program, 'mount'>>;

/** A task for a fresh mount. */
interface Task {
  readonly name: string;
  /** @param directory the directory of the snapshot in the mount */
  readonly run: (directory: string, round: number) => void;
}

interface Figures {
  /** Seconds. */
  readonly wall: number;
  /** CPU seconds of the mount's process. */
  readonly cpu: number;
  /** Peak resident bytes of the mount's process. */
  readonly memory: number;
}

const TASKS: readonly Task[] = [
  {
    name: 'find -printf',
    run: (directory) => shell('find "$1/tree" -printf "%p %s %m %T@ %l\\n" >/dev/null', directory),
  },
  { name: 'tar', run: (directory) => shell('tar cf - -C "$1" tree | cat >/dev/null', directory) },
  { name: `${READS} reads, random bytes`, run: (directory, round) => readRandomly(join(directory, 'random'), round) },
  {
    name: `${READS} reads, compressible`,
    run: (directory, round) => readRandomly(join(directory, 'alternating'), round),
  },
  { name: 'cat, random bytes', run: (directory) => shell('cat "$1"/random/* | cat >/dev/null', directory) },
  { name: `ls -l of ${LISTED}`, run: (directory) => shell('ls -l "$1/listed" >/dev/null', directory) },
];

/** What programs do that read from a snapshot: each task in a fresh mount. */
export async function compareMount(bench: Bench): Promise<string> {
  const work = join(bench.work, 'mount');
  const source = join(work, 'data');
  const size = Math.max(...bench.sizes);
  bench.say(`copying ${bench.data.join(' ')}, writing two files of ${size} MiB`);
  copyOf(bench.data, join(source, 'tree'));
  incompressible(join(source, 'random'), size * MIB);
  alternating(join(source, 'alternating'), size * MIB);
  mkdirSync(join(source, 'listed'));
  for (let number = 0; number < LISTED; number++) writeFileSync(join(source, 'listed', `file ${number}`), `${number}`);
  const programs = bench.programs.filter((program): program is Mounting => program.mount !== undefined);
  const found = new Map<string, Figures[]>();
  const failed: string[] = [];
  for (const program of programs) await store(program, placeOf(program, work, 1, bench.password), source, bench);
  for (let round = 1; round <= bench.repeat; round++)
    for (const task of TASKS)
      for (const program of programs) {
        const key = `${task.name} ${program.name}`;
        try {
          const place = placeOf(program, work, 1, bench.password);
          const figures = await inMount(program, place, join(work, `mnt-${program.name}`), source, (directory) =>
            task.run(directory, round),
          );
          bench.say(`${key}: ${figures.wall.toFixed(3)} s, CPU ${figures.cpu.toFixed(2)} s`);
          found.set(key, [...(found.get(key) ?? []), figures]);
        } catch (cause) {
          failed.push(`- ${key} FAILED: ${(cause as Error).message.replaceAll('\n', ' ')}`);
        }
      }
  const { files, apparent } = sizeOf(join(source, 'tree'));
  const text = `A copy of ${bench.data.join(' and ')} (${files} files, ${Math.round(apparent / MIB)} MiB), a file of ${size} MiB of random bytes, one of ${size} MiB of which half compresses, and a directory of
${LISTED} small files, mounted again for each task; the repository is in the page cache, and the time to mount does not count. Reads are of ${READ_BYTES} bytes at random offsets, the same for all. CPU and memory are the mount process's. ${rounds(bench.repeat)}; ÷ is by ${BASE}'s.`;
  return [setting(programs), text, tableOf(programs, found), ...failed].join('\n\n');
}

async function store(program: Mounting, place: Place, source: string, bench: Bench): Promise<void> {
  mkdirSync(place.home, { recursive: true });
  for (const step of program.init(place)) await measure(program, place, step);
  await measure(program, place, program.backup(place, source, 'mounted'));
  bench.say(`${program.name} has it stored`);
}

async function inMount(
  program: Mounting,
  place: Place,
  mountpoint: string,
  source: string,
  run: (directory: string) => void,
): Promise<Figures> {
  mkdirSync(mountpoint, { recursive: true });
  warm(place.repository);
  execFileSync('sync');
  await sleep(PAUSE_MILLISECONDS);
  const [command = '', ...words] = program.mount(place, mountpoint).argv;
  const child = spawn(command, words, { cwd: place.home, env: environment(program, place), stdio: 'ignore' });
  try {
    await whenMounted(child, mountpoint);
    const before = processorSeconds(child);
    const began = performance.now();
    run(join(mountpoint, 'snapshots/latest', source));
    const wall = (performance.now() - began) / 1000;
    return { wall, cpu: processorSeconds(child) - before, memory: peakMemory(child.pid) };
  } finally {
    const ended = child.exitCode === null ? once(child, 'exit') : undefined;
    child.kill('SIGINT');
    await ended;
    // A program that failed may have left its mount.
    spawnSync('umount', ['-l', mountpoint], { stdio: 'ignore' });
  }
}

async function whenMounted(child: ChildProcess, mountpoint: string): Promise<void> {
  const until = performance.now() + PATIENCE_MILLISECONDS;
  const { dev } = statSync(join(mountpoint, '..'));
  while (statSync(mountpoint).dev === dev) {
    if (child.exitCode !== null || performance.now() > until) throw new Error('it did not mount');
    await sleep(50);
  }
  // Programs go on working for a moment after they have mounted.
  readdirSync(mountpoint);
  await sleep(PAUSE_MILLISECONDS);
}

function processorSeconds({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function shell(script: string, directory: string): void {
  const { status, stderr } = spawnSync('sh', ['-c', script, 'sh', directory], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr.slice(0, 300));
}

/** The offsets are the same for all programs and differ between rounds. */
function readRandomly(directory: string, round: number): void {
  const [name = ''] = readdirSync(directory);
  const file = openSync(join(directory, name), 'r');
  const pages = Math.floor(statSync(join(directory, name)).size / READ_BYTES);
  const next = numbers(round);
  const bytes = Buffer.alloc(READ_BYTES);
  for (let count = 0; count < READS; count++) {
    const page = Math.floor(next() * pages);
    if (readSync(file, bytes, 0, READ_BYTES, page * READ_BYTES) !== READ_BYTES) throw new Error('a read is short');
  }
  closeSync(file);
}

function tableOf(programs: readonly Mounting[], found: ReadonlyMap<string, readonly Figures[]>): string {
  const rows = TASKS.flatMap(({ name }) => {
    const of = (program: string, what: keyof Figures): number | undefined => {
      const all = found.get(`${name} ${program}`);
      return all && median(all.map((each) => each[what]));
    };
    return programs.map((program) => {
      const [wall, cpu, memory] = (['wall', 'cpu', 'memory'] as const).map((what) => of(program.name, what));
      if (wall === undefined || cpu === undefined || memory === undefined)
        return [name, program.name, 'FAILED', '', '', ''];
      const precise = wall < 1 ? wall.toFixed(3) : seconds(wall);
      return [name, program.name, precise, seconds(cpu), mebibytes(memory), ratio(wall, of(BASE, 'wall'))];
    });
  });
  return table(['task', 'program', 'wall s', 'CPU s', 'memory MiB', 'wall ÷'], rows);
}
