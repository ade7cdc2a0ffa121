import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { descendantBytes } from './process-tree.js';
import type { Place, Program, Step } from './programs/program.js';

const TIME = '/usr/bin/time';
const SAMPLE_MILLISECONDS = 50;
const SHOWN_OF_STDERR = 600;

/** The program whose command is measured. */
export type Measured = Pick<Program, 'environment'>;

/** The cost of a command and all processes that it started. */
export interface Cost {
  /** Seconds. */
  readonly wall: number;
  /** Seconds, user and system. */
  readonly cpu: number;
  /** Peak resident bytes: of all processes together, sampled every 50 ms, or the kernel's peak of the largest process. */
  readonly memory: number;
}

/**
 * Runs a command of a program and measures it.
 *
 * @throws Error when its exit code is not 0
 */
export async function measure(program: Measured, place: Place, step: Step): Promise<Cost> {
  mkdirSync(place.home, { recursive: true });
  const report = join(place.home, 'time');
  const began = process.hrtime.bigint();
  const sampled = await run(['-q', '-o', report, '-f', '%U %S %M', '--', ...step.argv], {
    cwd: step.directory ?? place.home,
    env: environment(program, place),
  });
  const [user = 0, system = 0, largestKib = 0] = readFileSync(report, 'utf8').trim().split(' ').map(Number);
  const wall = Number(sampled.ended - began) / 1e9;
  return { wall, cpu: user + system, memory: Math.max(sampled.peak, 1024 * largestKib) };
}

/** An environment without the user's own settings; all state stays in the run's directories. */
export function environment(program: Measured, place: Place): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    HOME: place.home,
    XDG_CACHE_HOME: join(place.home, 'cache'),
    XDG_CONFIG_HOME: join(place.home, 'config'),
    ...place.credentials,
    ...program.environment(place),
  };
}

function run(words: readonly string[], options: { cwd: string; env: NodeJS.ProcessEnv }): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(TIME, words, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
    let peak = 0;
    let ended = 0n;
    let complaint = '';
    const timer = setInterval(() => {
      if (child.pid !== undefined) peak = Math.max(peak, descendantBytes(child.pid));
    }, SAMPLE_MILLISECONDS);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-SHOWN_OF_STDERR);
    });
    child.once('error', (error) =>
      reject(new Error(`${TIME} cannot be run (Debian's package time): ${error.message}`)),
    );
    child.once('exit', () => {
      ended = process.hrtime.bigint();
      clearInterval(timer);
    });
    child.once('close', (code, signal) => {
      if (code === 0) resolve({ peak, ended });
      else reject(new Error(`${code === null ? signal : `exit code ${code}`}: ${complaint.trim()}`));
    });
  });
}

interface Run {
  readonly peak: number;
  readonly ended: bigint;
}
