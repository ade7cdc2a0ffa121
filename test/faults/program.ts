/** Runs varve in a stage, with calls below its areas counted, and failed as a fault says. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { MAIN } from '../cli/main-program.js';
import { AREAS, type Command } from './commands.js';
import type { Fault, Preload } from './preload.js';
import type { Order } from './runner.js';
import { PASSWORD, type Stage } from './stage.js';

export interface Ended {
  /** Undefined when it had to be killed; -1 when the process ended without a word. */
  readonly code: number | undefined;
  readonly out: string;
  readonly err: string;
  /** What the server said meanwhile, when there is one. */
  readonly log?: string;
}

/** Milliseconds after which a command never ends, on a busy machine. */
const IDLE_TIMEOUT = 90_000;
const RUNNER = fileURLToPath(new URL('./runner.js', import.meta.url));

export function environmentIn(stage: Stage, { environment }: Command): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    TZ: 'UTC',
    HOME: stage.run('home'),
    VARVE_CACHE_DIR: stage.run('cache'),
    VARVE_REPOSITORY: stage.run('repository'),
    VARVE_PASSWORD: PASSWORD,
    UV_USE_IO_URING: '0',
    ...environment,
  };
}

/** Runs a command in a process of its own. @param paths below which calls count, in the place of areas */
export function startVarve(
  stage: Stage,
  preload: Preload,
  command: Command,
  fault: Fault,
  paths: readonly string[],
): Promise<Ended> {
  preload.arm(fault);
  const child = spawn(process.execPath, [MAIN, ...command.args], {
    cwd: stage.directory,
    env: { ...environmentIn(stage, command), ...preload.environment(paths) },
  });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (bytes: Buffer) => out.push(bytes));
  child.stderr.on('data', (bytes: Buffer) => err.push(bytes));
  child.stdin.on('error', () => undefined);
  child.stdin.end(command.input ?? '');
  return ending(child, 'close', () => ({
    out: Buffer.concat(out).toString('latin1'),
    err: Buffer.concat(err).toString(),
  }));
}

/** A process that runs one command after another: most of a short command is the start of its process. */
export class RunnerProcess {
  readonly #stage: Stage;
  readonly #preload: Preload;
  #child: ChildProcess | undefined;

  constructor(stage: Stage, preload: Preload) {
    this.#stage = stage;
    this.#preload = preload;
  }

  async run(command: Command, fault?: Fault): Promise<Ended> {
    this.#preload.arm(fault);
    this.#child ??= this.#start();
    const child = this.#child;
    const order: Order = {
      args: command.args,
      environment: environmentIn(this.#stage, command),
      input: command.input ?? '',
    };
    child.send(order);
    const ended = await ending(child, 'message', () => ({ out: '', err: 'the process has ended' }));
    if (ended.code === undefined || ended.code === -1) this.#child = undefined;
    return ended;
  }

  stop(): void {
    this.#child?.kill();
    this.#child = undefined;
  }

  #start(): ChildProcess {
    const areas = areasOf(this.#stage);
    const environment = { ...environmentIn(this.#stage, { name: '', args: [], areas: [] }) };
    return fork(RUNNER, {
      cwd: this.#stage.directory,
      env: { ...environment, ...this.#preload.environment(areas) },
      serialization: 'advanced',
    });
  }
}

export const areasOf = (stage: Stage): string[] =>
  AREAS.map((area) => (area === 'source' ? stage.source : stage.run(area)));

/** Waits for a message with an outcome, or for the end of the process. @param text what a process that ends has written */
function ending(
  child: ChildProcess,
  event: 'close' | 'message',
  text: () => { out: string; err: string },
): Promise<Ended> {
  return new Promise((resolve) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, IDLE_TIMEOUT);
    const finish = (ended: Ended): void => {
      clearTimeout(timer);
      child.off('message', finish).off('close', closed);
      resolve(ended);
    };
    const closed = (code: number | null): void => finish({ code: late ? undefined : (code ?? -1), ...text() });
    child.on('close', closed);
    if (event === 'message') child.on('message', finish);
  });
}
