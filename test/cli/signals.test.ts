import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { initRepository, openRepository } from '../../src/repository/opening/open.js';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { writeLongFiles, writeWideTree } from './big-trees.js';
import { MAIN } from './main-program.js';
import { Playground } from './varve.js';

const PASSWORD = 'pebble';
/** Seconds of CPU time after which a command walks its tree, and that it may use from the signal to its end. */
const [WALKING, ENDING] = [0.7, 1];
/** Of processor time in /proc. */
const TICKS_PER_SECOND = 100;
/** Milliseconds after which a command that does not end has failed. */
const IDLE_TIMEOUT = 60_000;

const play = new Playground();
const opening = { unlock: { password: PASSWORD }, cacheDirectory: play.path('cache') };
let wide: readonly string[] = [];
let long: readonly string[] = [];

before(async () => {
  for (const name of ['repo', 'other']) {
    const store = new LocalStore(play.path(name));
    await initRepository(store, { ...opening, user: 'anna', host: 'test', logN: 10 });
  }
  const repository = await openRepository(new LocalStore(play.path('repo')), opening);
  wide = [await writeWideTree(repository, 1), await writeWideTree(repository, 2)];
  long = [await writeLongFiles(repository, 1), await writeLongFiles(repository, 2)];
});

/** Each way of walking a tree, by a command that would be busy with it for hours. */
const COMMANDS: Record<string, () => string[]> = {
  ls: () => ['ls', wide[0] as string],
  'find of nothing': () => ['find', '-s', wide[0] as string, 'none'],
  'restore --dry-run': () => ['restore', wide[0] as string, '--dry-run', '--target', play.path('none')],
  'dump as tar': () => ['dump', wide[0] as string, '/'],
  'diff of many entries': () => ['diff', ...wide],
  stats: () => ['stats', wide[0] as string],
  check: () => ['check'],
  rewrite: () => ['rewrite', '--exclude', 'none', wide[0] as string],
};

/** The other commands, which share those ways. */
const MORE: typeof COMMANDS = {
  'ls --json': () => ['ls', '--json', wide[0] as string],
  'find of all': () => ['find', '-s', wide[0] as string, 'file'],
  'find --blob': () => ['find', '-s', long[0] as string, '--blob', '00'.repeat(32)],
  restore: () => ['restore', wide[0] as string, '--target', play.path('target')],
  'dump as zip': () => ['dump', '--archive', 'zip', wide[0] as string, '/'],
  'diff of long files': () => ['diff', ...long],
  'stats --mode blobs-per-file': () => ['stats', '--mode', 'blobs-per-file', long[0] as string],
  'stats --mode raw-data': () => ['stats', '--mode', 'raw-data', long[0] as string],
  prune: () => ['prune', '--dry-run'],
  copy: () => ['copy', '--from-repo', play.path('repo'), ...long],
  'repair snapshots': () => ['repair', 'snapshots', ...long],
  recover: () => ['recover'],
};

const chosen = process.env['VARVE_SIGNALS'] === 'all' ? { ...COMMANDS, ...MORE } : COMMANDS;
for (const [number, [name, args]] of Object.entries(chosen).entries()) {
  const signal = number % 2 === 0 ? 'SIGINT' : 'SIGTERM';
  test(`${name} ends within a second of ${signal} when the tree is endless`, async () => {
    const { code, used, err } = await interrupted(args(), signal);
    assert.equal(code, 130, err);
    assert.ok(used <= ENDING, `it took ${used} s of CPU time to end`);
  });
}

/** Starts a command and interrupts it while it walks. @returns its exit code and the CPU time that it used after the signal */
async function interrupted(args: readonly string[], signal: NodeJS.Signals) {
  const env = {
    PATH: process.env.PATH,
    VARVE_REPOSITORY: play.path(args[0] === 'copy' ? 'other' : 'repo'),
    VARVE_PASSWORD: PASSWORD,
    VARVE_FROM_PASSWORD: PASSWORD,
    VARVE_CACHE_DIR: play.path('cache'),
  };
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let err = '';
  child.stderr.on('data', (bytes) => (err += bytes));
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  await untilUsed(child, WALKING);
  const before = cpuSeconds(child) ?? 0;
  let last = before;
  child.kill(signal);
  const timer = setInterval(() => (last = cpuSeconds(child) ?? last), 20);
  const giveUp = setTimeout(() => child.kill('SIGKILL'), IDLE_TIMEOUT);
  const code = await closed;
  clearInterval(timer);
  clearTimeout(giveUp);
  return { code, used: last - before, err };
}

async function untilUsed(child: ChildProcess, seconds: number): Promise<void> {
  while (child.exitCode === null && (cpuSeconds(child) ?? seconds) < seconds) await delay(20);
}

/** CPU time of a process and its threads; undefined when it has ended. */
function cpuSeconds({ pid }: ChildProcess): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return undefined;
  }
}
