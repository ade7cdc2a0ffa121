/** Runs varve as a process of its own in a stage, with calls below its areas counted, and failed as a fault says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { MAIN } from '../cli/main-program.js';
import { AREAS, type Command } from './commands.js';
import type { Fault, Preload } from './preload.js';
import { PASSWORD, type Stage } from './stage.js';

export interface Ended {
  /** Undefined when it had to be killed; -1 when a signal ended it. */
  readonly code: number | undefined;
  readonly out: string;
  readonly err: string;
}

/** Milliseconds after which a command never ends, on a busy machine. */
const PATIENCE = 90_000;

/** @param paths below which calls count: the areas, when they are not given */
export function startVarve(
  stage: Stage,
  preload: Preload,
  command: Command,
  fault?: Fault,
  paths = AREAS.map((area) => (area === 'source' ? stage.source : stage.run(area))),
): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...command.args], {
    cwd: stage.folder,
    env: {
      PATH: process.env.PATH,
      TZ: 'UTC',
      HOME: stage.run('home'),
      VARVE_CACHE_DIR: stage.run('cache'),
      VARVE_REPOSITORY: stage.run('repository'),
      VARVE_PASSWORD: PASSWORD,
      UV_USE_IO_URING: '0',
      ...command.environment,
      ...preload.environment(paths, fault),
    },
  });
  return ending(child, command.input ?? '');
}

function ending(child: ChildProcess, input: string): Promise<Ended> {
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout?.on('data', (bytes: Buffer) => out.push(bytes));
  child.stderr?.on('data', (bytes: Buffer) => err.push(bytes));
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, PATIENCE);
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearTimeout(timer);
      const text = { out: Buffer.concat(out).toString('latin1'), err: Buffer.concat(err).toString() };
      resolve({ code: late ? undefined : (code ?? -1), ...text });
    });
  });
}
