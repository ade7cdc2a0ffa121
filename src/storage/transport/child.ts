import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { systemReason, VarveError } from '../../errors/errors.js';
import type { StoreSettings } from '../settings.js';
import { type ChildKind, childEnvironment } from './child-environment.js';
import { Pipes } from './pipes.js';
import { type Throttles, throttled } from './throttle.js';

/** Characters kept of what a program says on standard error: the last ones are the ones that tell. */
const KEPT = 4096;

/** Milliseconds that its standard error may stay open after its end. */
const LINGERING = 500;

/** A program that is spoken with over its standard input and output. */
export interface Child {
  readonly stream: Duplex;
  /** What it said on standard error, the end of it. */
  said(): string;
  /** Resolves with its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Ends it; by SIGKILL also one that does not listen. */
  close(by?: 'SIGTERM' | 'SIGKILL'): void;
}

/** Has a program ignore Ctrl-C, and stay in the terminal's session, where it may ask for passwords. */
const IGNORING = ['/bin/sh', '-c', 'trap "" INT; exec "$@"', 'sh'] as const;

export interface ChildOptions {
  readonly kind: ChildKind;
  /** Variables that are for this program alone. */
  readonly own?: Readonly<Record<string, string>>;
  /** Whether it may ask something on the terminal; then it must be one that leaves an ignored SIGINT ignored, as ssh does. */
  readonly asks: boolean;
  /** Those of all connections of the store, where anything is limited. */
  readonly throttles?: Throttles;
  /** Told what it says on standard error. */
  readonly onLine?: (line: string) => void;
}

/**
 * Starts a program. Ctrl-C does not reach it: varve ends it when it has done what remains to be done.
 *
 * @throws VarveError `usage` when there is no such program
 */
export async function startChild(
  command: readonly [string, ...string[]],
  { environment }: Pick<StoreSettings, 'environment'>,
  { kind, own, asks, throttles, onLine }: ChildOptions,
): Promise<Child> {
  const [program, ...args] = command;
  const path = findProgram(program, environment.PATH);
  const [first, ...rest] = asks ? ([...IGNORING, path, ...args] as const) : ([path, ...args] as const);
  const env = { ...childEnvironment(kind, environment), ...own };
  const child = spawn(first, rest, { stdio: ['pipe', 'pipe', 'pipe'], detached: !asks, env });
  let said = '';
  let line = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-KEPT);
    const lines = (line + text).split('\n');
    line = lines.pop() ?? '';
    if (onLine !== undefined) lines.forEach(onLine);
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('close', (code, signal) => {
      if (line !== '') onLine?.(line);
      resolve(code ?? signal ?? 0);
    });
  });
  child.once('exit', () => {
    // Programs that it has left behind may keep it open for long.
    const lingering = setTimeout(() => child.stderr.destroy(), LINGERING);
    child.once('close', () => clearTimeout(lingering));
  });
  await started(child, program);
  const pipes = new Pipes(child.stdout, child.stdin);
  const stream = throttles === undefined ? pipes : throttled(pipes, throttles);
  // Who uses the stream learns of its end by `ended`, with what the program said.
  for (const each of new Set([pipes, stream])) each.on('error', () => undefined);
  return {
    stream,
    said: () => said.trim(),
    ended,
    close(by = 'SIGTERM') {
      stream.destroy();
      pipes.destroy();
      child.kill(by);
    },
  };
}

/** Looks for it as a shell does: the shell that ignores Ctrl-C for it could only say so on standard error. */
function findProgram(program: string, path = ''): string {
  const places = program.includes('/') ? [program] : path.split(delimiter).map((directory) => join(directory, program));
  const found = places.find(isProgram);
  if (found !== undefined) return found;
  throw new VarveError('usage', `cannot start ${program}: it is not installed, or not on the PATH`);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function started(child: ChildProcess, program: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) => {
      reject(new VarveError('usage', `cannot start ${program}: ${systemReason(cause)}`, { cause }));
    });
  });
}
