/** Mounts under a fault, has another process read the mount, ends it, and judges what the reader saw. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isMounted } from '../../src/mount/protocol/mounting.js';
import { MAIN } from '../cli/main-program.js';
import { type Outcome, outcome } from '../cli/varve.js';
import type { Command } from './commands.js';
import type { Fault, Preload } from './preload.js';
import { areasOf, type Ended, environmentIn } from './program.js';
import type { Stage } from './stage.js';

const READER = fileURLToPath(new URL('./mount-reader.js', import.meta.url));
/** Milliseconds until it is mounted, read, and unmounted, on a busy machine. */
const IDLE_TIMEOUT = 60_000;
const POLL = 20;

/** What the reader saw is standard output; a fault that happened once is over when it reads again. */
export async function runMount(stage: Stage, preload: Preload, command: Command, fault?: Fault): Promise<Ended> {
  preload.arm(fault);
  const child = spawn(process.execPath, [MAIN, ...command.args], {
    cwd: stage.directory,
    env: { ...environmentIn(stage, command), ...preload.environment(areasOf(stage)) },
  });
  const ended = outcome(child);
  try {
    if (!(await isServing(child, stage.mountpoint))) return afterEnd(await soon(ended), '');
    const seen = await reading(stage);
    const again = fault?.mode === 'once' ? await reading(stage) : '';
    child.kill('SIGINT');
    const result = await soon(ended);
    return afterEnd(result, fault?.mode === 'once' ? `${seen}${AGAIN}${again}` : seen);
  } finally {
    child.kill('SIGKILL');
    if (isMounted(stage.mountpoint)) spawnSync('umount', ['-l', stage.mountpoint]);
  }
}

const AGAIN = '=== again\n';

const afterEnd = (result: Outcome | undefined, out: string): Ended => ({
  code: result?.code ?? undefined,
  out,
  err: result?.err ?? '',
});

async function isServing(child: ChildProcess, mountpoint: string): Promise<boolean> {
  for (const end = Date.now() + IDLE_TIMEOUT; Date.now() < end; ) {
    if (isMounted(mountpoint)) return true;
    if (child.exitCode !== null) return false;
    await new Promise((resolve) => setTimeout(resolve, POLL));
  }
  return false;
}

async function reading(stage: Stage): Promise<string> {
  const reader = spawn(process.execPath, [READER, stage.mountpoint, 'ids', 'tags', 'snapshots/latest']);
  const read = await soon(outcome(reader));
  reader.kill('SIGKILL');
  return read === undefined ? 'the reader\thangs\n' : read.out + read.err;
}

/** Undefined when it takes too long. */
async function soon<T>(promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), IDLE_TIMEOUT);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A reader gets what there is or EIO; below what it cannot list it sees nothing. */
export function judgeMount(ended: Ended, usual: string): string[] {
  if (ended.code !== 0 && ended.out === '') return [];
  const [first = '', second] = ended.out.split(AGAIN);
  const problems = judgeReading(first, usual);
  if (second !== undefined && second !== usual) problems.push(...judgeReading(second, usual), 'does not recover');
  return problems;
}

function judgeReading(seen: string, usual: string): string[] {
  const found = new Map(seen.split('\n').map((line) => line.split('\t') as [string, string]));
  const failed = [...found].flatMap(([path, line]) => (line === 'EIO' ? [path] : []));
  const wanted = new Map(usual.split('\n').map((line) => line.split('\t') as [string, string]));
  const wrong = [...found].filter(([path, line]) => line !== 'EIO' && wanted.get(path) !== line);
  const lacking = [...wanted.keys()].filter(
    (path) => !found.has(path) && !failed.some((each) => path.startsWith(`${each}/`)),
  );
  return [...wrong.map(([path, line]) => `reader: ${path} ${line}`), ...lacking.map((path) => `lacks ${path}`)].slice(
    0,
    3,
  );
}
