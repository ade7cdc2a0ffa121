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
/** Until it is mounted. */
const PATIENCE_MILLISECONDS = 60_000;
/** Of the kernel's ticks, in which it counts CPU time. */
const TICKS = 100;

type Mounting = Program & Required<Pick<Program, 'mount'>>;

/** What is asked of a mount that was just made. */
interface Task {
  readonly name: string;
  /** @param folder the snapshot's */
  readonly run: (folder: string, round: number) => void;
}

interface Figures {
  /** Seconds. */
  readonly wall: number;
  /** Seconds that the mount's process worked. */
  readonly cpu: number;
  /** Peak resident bytes of it. */
  readonly memory: number;
}

const TASKS: readonly Task[] = [
  { name: 'find -printf', run: (folder) => shell('find "$1/tree" -printf "%p %s %m %T@ %l\\n" >/dev/null', folder) },
  { name: 'tar', run: (folder) => shell('tar cf - -C "$1" tree | cat >/dev/null', folder) },
  { name: `${READS} reads, random bytes`, run: (folder, round) => readRandomly(join(folder, 'random'), round) },
  { name: `${READS} reads, compressible`, run: (folder, round) => readRandomly(join(folder, 'alternating'), round) },
  { name: 'cat, random bytes', run: (folder) => shell('cat "$1"/random/* | cat >/dev/null', folder) },
  { name: `ls -l of ${LISTED}`, run: (folder) => shell('ls -l "$1/listed" >/dev/null', folder) },
];

/** What programs do that look into a snapshot: each in a mount that was just made. */
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
          const figures = await inMount(program, place, join(work, `mnt-${program.name}`), source, (folder) =>
            task.run(folder, round),
          );
          bench.say(`${key}: ${figures.wall.toFixed(3)} s, CPU ${figures.cpu.toFixed(2)} s`);
          found.set(key, [...(found.get(key) ?? []), figures]);
        } catch (cause) {
          failed.push(`- ${key} FAILED: ${(cause as Error).message.replaceAll('\n', ' ')}`);
        }
      }
  const { files, apparent } = sizeOf(join(source, 'tree'));
  const text = `A copy of ${bench.data.join(' and ')} (${files} files, ${Math.round(apparent / MIB)} MiB), a file of ${size} MiB of random bytes, one of ${size} MiB of which half compresses, and a folder of
${LISTED} small files, mounted anew for each task; the repository stands in the page cache, the time to mount does not count. Reads are of ${READ_BYTES} bytes at random places, the same for all. CPU is that of the mount's process. ${rounds(bench.repeat)}; ÷ is by ${BASE}'s.`;
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
  run: (folder: string) => void,
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
    // What a program left that could not end as it should.
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
  // Programs go on getting ready after they have mounted.
  readdirSync(mountpoint);
  await sleep(PAUSE_MILLISECONDS);
}

function processorSeconds({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function shell(script: string, folder: string): void {
  const { status, stderr } = spawnSync('sh', ['-c', script, 'sh', folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr.slice(0, 300));
}

/** The same places for all programs, others in each round. */
function readRandomly(folder: string, round: number): void {
  const [name = ''] = readdirSync(folder);
  const file = openSync(join(folder, name), 'r');
  const pages = Math.floor(statSync(join(folder, name)).size / READ_BYTES);
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
