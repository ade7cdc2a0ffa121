import { Command, CommanderError } from 'commander';
import { VarveError } from '../errors/errors.js';
import { COMMANDS, OTHER } from './commands.js';
import { addGlobalOptions } from './global-options.js';
import { newCommand } from './help.js';
import { reportError } from './report-error.js';
import { resultOf, type Shell } from './shell.js';
import { VERSION } from './version.js';

const INTRODUCTION = `varve ${VERSION}: deduplicating, encrypted backups.

Begin with:
  export VARVE_REPOSITORY=/mnt/backup/varve
  varve init                        make the repository; asks for a password
  varve backup ~/Documents          make a snapshot; again tomorrow, it stores what is new
  varve snapshots                   see what there is
  varve restore latest --target /tmp/restored`;

const EXIT_CODES = `
Exit codes: 0 all went well; 1 it failed; 3 some files could not be read, or some snapshots not removed; 10 there is no repository; 11 another command has the repository locked; 12 the password is wrong; 130 it was interrupted.

\`varve help COMMAND\` explains a command.`;

/** Runs the command that the arguments ask for. @param args as `exactArguments` has them @returns the exit code */
export async function runProgram(args: readonly string[], shell: Shell): Promise<number> {
  const exact = helpAsOption(args.flatMap(spellOut));
  const json = exact.includes('--json');
  try {
    const program = await buildProgram(exact, shell, json);
    if (exact.length === 0) {
      program.outputHelp();
      return 0;
    }
    await program.parseAsync(exact, { from: 'user' });
    return resultOf(shell).exitCode;
  } catch (cause) {
    if (cause instanceof CommanderError) return finishParsing(cause, shell, json);
    if (shell.signal.aborted) return reportError(interrupted(cause), shell, json);
    return reportError(cause, shell, json);
  }
}

/** `help key add` is `key add --help`. */
function helpAsOption(args: readonly string[]): readonly string[] {
  const [first, ...rest] = args;
  const [command] = rest;
  if (first !== 'help' || command === undefined) return args;
  return command in COMMANDS ? [...rest, '--help'] : rest;
}

/** `--verbose=2`, as scripts write it, is `-v -v`. */
function spellOut(arg: string): string[] {
  const [, level] = /^--verbose=(\d)$/.exec(arg) ?? [];
  return level === undefined ? [arg] : new Array<string>(Math.min(2, Number(level))).fill('-v');
}

async function buildProgram(args: readonly string[], shell: Shell, json: boolean): Promise<Command> {
  const program = newCommand('varve', shell, json);
  addGlobalOptions(program);
  program.commandsGroup(`${OTHER}:`).helpCommand('help', 'explain a command: varve help backup');
  program.usage('[options] COMMAND …').description(INTRODUCTION).version(VERSION, '--version', 'print the version');
  program.helpOption('-h, --help', 'print this help').addHelpText('after', EXIT_CODES);
  const wanted = wantedCommand(args);
  for (const [name, { summary, group, load }] of Object.entries(COMMANDS)) {
    // The others are for the help and for suggestions.
    if (wanted !== undefined && wanted in COMMANDS && name !== wanted) continue;
    const command = newCommand(name, shell, json);
    command.summary(summary).helpGroup(`${group}:`).helpOption('-h, --help', 'print this help');
    if (name === wanted) {
      (await load()).define(command, shell);
      addGlobalOptions(command);
      for (const child of command.commands) addGlobalOptions(child);
    }
    program.addCommand(command);
  }
  return program;
}

/** The first argument that names a command; only that command is loaded. */
function wantedCommand(args: readonly string[]): string | undefined {
  const scout = addGlobalOptions(new Command());
  const { operands } = scout.parseOptions([...args]);
  const [first, second] = operands;
  return first === 'help' ? second : first;
}

/** What was wrong with the arguments has been printed; help was asked for, or it is an error. */
function finishParsing(cause: CommanderError, shell: Shell, json: boolean): number {
  if (cause.exitCode === 0) return 0;
  if (cause.code === 'commander.help') return 1;
  if (json) reportError(new VarveError('usage', cause.message.replace(/^error: /, '')), shell, json);
  return 1;
}

function interrupted(cause: unknown): VarveError {
  return cause instanceof VarveError ? cause : new VarveError('interrupted', 'interrupted');
}
