import { Command, CommanderError } from 'commander';
import { VarveError } from '../../errors/errors.js';
import { VERSION } from '../../library/version.js';
import { spellOut, wantsJson } from './boolean-options.js';
import { COMMANDS, OTHER } from './commands.js';
import { addGlobalOptions } from './global-options.js';
import { newCommand } from './help.js';
import { reportError } from './report-error.js';
import type { Session, Shell } from './shell.js';

const INTRODUCTION = `varve ${VERSION}: deduplicating, encrypted backups.

Begin with:
  export VARVE_REPOSITORY=/mnt/backup/varve
  varve init                        create the repository; asks for a password
  varve backup ~/Documents          make a snapshot; the next one stores only changes
  varve snapshots                   list the snapshots
  varve restore latest --target /tmp/restored`;

const EXIT_CODES = `
Exit codes: 0 success; 1 failed; 3 some files could not be read, or some snapshots not removed; 10 no repository; 11 another command holds the repository; 12 wrong password; 130 interrupted.

\`varve help COMMAND\` explains a command.`;

/** Runs the command in the arguments. @param args from `exactArguments` @returns the exit code */
export async function runProgram(args: readonly string[], shell: Shell): Promise<number> {
  const json = wantsJson(args);
  const session: Session = { shell, exitCode: 0 };
  try {
    const asked = helpAsOption(args);
    const { program, wanted } = await buildProgram(asked, session, json);
    const exact = helpOfKnown(spellOut(asked, [program, ...family(program, wanted)]), program, wanted);
    if (exact.length === 0) {
      program.outputHelp();
      return 0;
    }
    await program.parseAsync(exact, { from: 'user' });
    return session.exitCode;
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
  return Object.hasOwn(COMMANDS, command) ? [...rest, '--help'] : rest;
}

/** The requested command and its subcommands. */
function family(program: Command, wanted: readonly string[]): Command[] {
  const command = program.commands.find((each) => each.name() === wanted[0]);
  return command === undefined ? [] : [command, ...command.commands];
}

/** Removes --help after an unknown command, so that the error is the same with and without it. */
function helpOfKnown(args: readonly string[], program: Command, wanted: readonly string[]): string[] {
  const [name, below] = wanted;
  const command = program.commands.find((each) => each.name() === name);
  const isKnown = name === undefined || name === 'help' || command !== undefined;
  const hasBelow = command === undefined || command.commands.length === 0 || below === undefined;
  if (isKnown && (hasBelow || command.commands.some((each) => each.name() === below))) return [...args];
  return args.filter((arg) => arg !== '--help' && arg !== '-h');
}

async function buildProgram(
  args: readonly string[],
  session: Session,
  json: boolean,
): Promise<{ readonly program: Command; readonly wanted: readonly string[] }> {
  const { shell } = session;
  const program = newCommand('varve', shell, json);
  addGlobalOptions(program);
  program.commandsGroup(`${OTHER}:`).helpCommand('help', 'explain a command: varve help backup');
  program.usage('[options] COMMAND …').description(INTRODUCTION).version(VERSION, '--version', 'print the version');
  program.helpOption('-h, --help', 'print this help').addHelpText('after', EXIT_CODES);
  const wanted = wantedCommand(args);
  for (const [name, { summary, group, load }] of Object.entries(COMMANDS)) {
    // Other commands are only needed for the help and for suggestions.
    if (wanted[0] !== undefined && Object.hasOwn(COMMANDS, wanted[0]) && name !== wanted[0]) continue;
    const command = newCommand(name, shell, json);
    command.summary(summary).helpGroup(`${group}:`).helpOption('-h, --help', 'print this help');
    if (name === wanted[0]) {
      (await load()).define(command, session);
      addGlobalOptions(command);
      for (const child of command.commands) addGlobalOptions(child);
    }
    program.addCommand(command);
  }
  return { program, wanted };
}

/** The names of the command and its subcommand. Only this command is loaded. */
function wantedCommand(args: readonly string[]): readonly string[] {
  const scout = addGlobalOptions(new Command());
  const { operands } = scout.parseOptions([...spellOut(args, [scout])]);
  return operands[0] === 'help' ? operands.slice(1) : operands;
}

/** commander has printed its message already: the help, or what is wrong with the arguments. */
function finishParsing(cause: CommanderError, shell: Shell, json: boolean): number {
  if (cause.exitCode === 0) return 0;
  if (cause.code === 'commander.help') return 1;
  if (json) reportError(new VarveError('usage', cause.message.replace(/^error: /, '')), shell, json);
  return 1;
}

function interrupted(cause: unknown): VarveError {
  return cause instanceof VarveError ? cause : new VarveError('interrupted', 'interrupted');
}
