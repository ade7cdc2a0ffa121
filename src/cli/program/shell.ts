// What a command gets from the process, and how its action runs.
// main.ts makes the shell; program.ts returns the exit code.
import type { Command } from 'commander';
import { zoneProblem } from '../../time/zone.js';
import { Output, type Verbosity } from '../terminal/output.js';
import { type GlobalOptions, globalOptions } from './global-options.js';

/** What the process provides to a command. */
export interface Shell {
  readonly environment: NodeJS.ProcessEnv;
  readonly out: NodeJS.WriteStream;
  readonly err: NodeJS.WriteStream;
  readonly input: NodeJS.ReadStream;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** From now on, the command goes on when the reader of its output is gone. */
  readonly outliveReader: () => void;
}

/** The environment of a running command. */
export interface Context extends Shell {
  readonly globals: GlobalOptions;
  readonly output: Output;
  /** Runs this when the command ends, in success or failure. */
  readonly atEnd: (action: () => Promise<void>) => void;
}

/** The work of a command. @returns its exit code; undefined means 0 */
export type Run<Options> = (context: Context, args: readonly string[], options: Options) => Promise<number | undefined>;

/** The module of a command: it defines options, and loads the work only when the command runs. */
export interface CommandModule {
  define(command: Command, session: Session): void;
}

/** One run of the command line: what the process provides, and the exit code of the command that ran. */
export interface Session {
  readonly shell: Shell;
  exitCode: number;
}

/** Sets the action of a command. */
export function run<Options>(command: Command, session: Session, action: Run<Options>): void {
  const { shell } = session;
  command.action(async () => {
    const globals = globalOptions(command);
    const output = new Output(globals.json === true, verbosityOf(globals), shell.out, shell.err);
    const endings: (() => Promise<void>)[] = [];
    const problem = zoneProblem();
    if (problem !== undefined) output.warn(problem);
    const atEnd = (ending: () => Promise<void>): void => void endings.push(ending);
    try {
      const context = contextOf(shell, { globals, output, atEnd });
      const exitCode = (await action(context, command.args, command.opts() as Options)) ?? 0;
      session.exitCode = exitCode;
      if (exitCode !== 0 && output.json) output.errorObject(exitError(command.name(), exitCode));
    } finally {
      await Promise.allSettled(endings.map((ending) => ending()));
      output.status('');
      output.flush();
    }
  });
}

/** Keeps `input` a getter, because Node opens standard input on first use, which takes time. */
function contextOf(shell: Shell, more: Omit<Context, keyof Shell>): Context {
  const { environment, out, err, signal, outliveReader } = shell;
  return {
    environment,
    out,
    err,
    get input() {
      return shell.input;
    },
    signal,
    outliveReader,
    ...more,
  };
}

/** The last line of a command that finished with failures. */
function exitError(command: string, code: number): Record<string, unknown> {
  const message =
    command === 'backup' && code === 3
      ? 'Warning: at least one source file could not be read'
      : `${command}: something failed; see the errors above`;
  return { message_type: 'exit_error', code, message };
}

function verbosityOf(globals: GlobalOptions): Verbosity {
  if (globals.quiet === true) return 0;
  return Math.min(3, 1 + (globals.verbose ?? 0)) as Verbosity;
}
