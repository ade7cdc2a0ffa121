// Ends mounts in every way, under load, and checks what is left.
// Test cases and their number are in ends.test.ts and main.ts.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isMounted } from '../../src/mount/protocol/mounting.js';
import type { Playground } from '../cli/varve.js';
import { seeded } from '../filesystem/random.js';
import { startVarveServe } from '../servers/varve-serve.js';
import { type Running, startMount } from './fuse.js';

/** Ways in which a mount can end. */
export const WAYS = ['SIGINT', 'SIGTERM', 'SIGKILL', 'unmounted', 'busy', 'store gone'] as const;
export type Way = (typeof WAYS)[number];

/** Milliseconds that ending may take. */
const BOUND = 5_000;
/** The load: an unrelated process that reads all the time. */
const LOAD = 'while :; do find "$1" -type f -exec cat {} + >/dev/null 2>&1 || sleep 0.01; done';

export interface EndsOptions {
  readonly play: Playground;
  /** The directory that was backed up. */
  readonly source: string;
  readonly rounds: number;
  readonly seed: number;
  readonly log: (line: string) => void;
}

/** Ends mounts under load in each way, and checks what is left. @returns the longest time to end, in ms */
export async function endRounds({ play, source, rounds, seed, log }: EndsOptions): Promise<number> {
  const random = seeded(seed);
  let longest = 0;
  for (let round = 0; round < rounds; round++) {
    const way = WAYS[round % WAYS.length] as Way;
    const took = await endRound(play, source, way, random);
    longest = Math.max(longest, took);
    log(`round ${round + 1}: ${way}: ${Math.round(took)} ms`);
  }
  return longest;
}

async function endRound(
  play: Playground,
  source: string,
  way: Way,
  random: ReturnType<typeof seeded>,
): Promise<number> {
  const server = way === 'store gone' ? await startVarveServe(play.directory, undefined) : undefined;
  const repository = server === undefined ? [] : ['--repo', `rest:http://${server.host}/repo`, '--retry-for', '1s'];
  const mount = await startMount(play, 'mnt', [...repository, '--no-cache']);
  const readers = Array.from({ length: 3 }, () => startReader(mount.path));
  const held = way === 'busy' ? spawn('sleep', ['1000'], { cwd: join(mount.path, 'ids'), stdio: 'ignore' }) : undefined;
  try {
    await setTimeout(random.below(700));
    if (server !== undefined) {
      await server.kill();
      // A reader waits for data that are in no cache.
      spawnSync('timeout', ['4', 'sh', '-c', `cat "$1"/snapshots/latest${source}/* >/dev/null 2>&1`, 'sh', mount.path]);
    }
    // A mount that is in use cannot be unmounted.
    if (way === 'unmounted') for (const reader of readers) endGroup(reader);
    const began = performance.now();
    await end(mount, way);
    const { code, err } = await mount.ended;
    await untilGone(mount);
    const took = performance.now() - began;
    assert.equal(code, way === 'SIGKILL' ? null : 0, `${way}: ${err}`);
    assert.ok(took < BOUND, `${way}: it took ${took} ms`);
    return took;
  } finally {
    for (const reader of readers) endGroup(reader);
    held?.kill('SIGKILL');
    await server?.stop().catch(() => undefined);
  }
}

function startReader(path: string): ChildProcess {
  return spawn('sh', ['-c', LOAD, 'sh', path], { stdio: 'ignore', detached: true });
}

/** Kills a process and its children. */
function endGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-(pid as number), 'SIGKILL');
  } catch {
    // The process has ended.
  }
}

async function end({ child, path }: Running, way: Way): Promise<void> {
  if (way === 'unmounted') {
    // The reader takes a moment to end.
    while (spawnSync('umount', [path], { stdio: 'ignore' }).status !== 0 && isMounted(path)) await setTimeout(5);
  } else child.kill(way === 'busy' || way === 'store gone' ? 'SIGINT' : way);
}

/** The processes of the mount and of its watchdog. */
async function untilGone({ path, child }: Running): Promise<void> {
  const until = performance.now() + BOUND;
  for (;;) {
    const left = [...(isMounted(path) ? ['the mount'] : []), ...processesOf(path, child.pid as number)];
    if (left.length === 0) return;
    assert.ok(performance.now() < until, `left behind: ${left.join(', ')}`);
    await setTimeout(20);
  }
}

/** Finds processes of a mount by their environment or their id. */
function processesOf(path: string, pid: number): string[] {
  const found = existsSync(`/proc/${pid}/exe`) ? [`process ${pid}`] : [];
  for (const each of readdirSync('/proc')) {
    if (!/^\d+$/.test(each)) continue;
    try {
      if (readFileSync(`/proc/${each}/environ`, 'utf8').split('\0').includes(`MOUNT=${path}`))
        found.push(`watchdog ${each}`);
    } catch {
      // The process ended in between.
    }
  }
  return found;
}
