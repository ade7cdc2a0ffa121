// Child programs that varve talks to over pipes.
// child-environment.ts chooses their environment.
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { systemReason, VarveError } from '../../errors/errors.js';
import type { StoreSettings } from '../settings.js';
import { type ChildKind, childEnvironment } from './child-environment.js';
import { Pipes } from './pipes.js';
import { type Throttles, throttled } from './throttle.js';

/** Characters to keep from the end of a program's standard error, where the reason is. */
const KEPT = 4096;

/** Milliseconds that its standard error may stay open after it ends. */
const LINGERING = 500;

/** A program that varve talks to over its standard input and output. */
export interface Child {
  readonly stream: Duplex;
  /** The end of its standard error. */
  said(): string;
  /** Resolves with its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Ends it; SIGKILL also ends a program that does not react. */
  close(by?: 'SIGTERM' | 'SIGKILL'): void;
}

/** Makes a program ignore Ctrl-C but stay in the terminal's session, so that it can ask for passwords. */
const IGNORING = ['/bin/sh', '-c', 'trap "" INT; exec "$@"', 'sh'] as const;

export interface ChildOptions {
  readonly kind: ChildKind;
  /** Variables for this program only. */
  readonly own?: Readonly<Record<string, string>>;
  /** Whether it may ask a question on the terminal. Such a program must keep an ignored SIGINT ignored, as ssh does. */
  readonly asks: boolean;
  /** The throttles that all connections of the store share. */
  readonly throttles?: Throttles;
  /** Receives the lines of its standard error. */
  readonly onLine?: (line: string) => void;
}

/**
 * Starts a program. Ctrl-C does not reach it: varve ends it after its own cleanup.
 *
 * @throws VarveError `usage` when the program does not exist
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
    // Its own children may keep standard error open for long.
    const lingering = setTimeout(() => child.stderr.destroy(), LINGERING);
    child.once('close', () => clearTimeout(lingering));
  });
  await started(child, program);
  const pipes = new Pipes(child.stdout, child.stdin);
  const stream = throttles === undefined ? pipes : throttled(pipes, throttles);
  // Users of the stream learn of its end from `ended`, with the program's message.
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

/** Searches the PATH as a shell does, because the shell in between could only report a missing program on standard error. */
function findProgram(program: string, path = ''): string {
  const candidates = program.includes('/')
    ? [program]
    : path.split(delimiter).map((directory) => join(directory, program));
  const found = candidates.find(isProgram);
  if (found !== undefined) return found;
  throw new VarveError('usage', `cannot start ${program}: it is not installed, or not in the PATH`);
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
