// The layout of helps: as wide as the terminal, a command's own options first, and one line about global options.
import { Command, Help, type Option } from 'commander';
import { wrapText } from '../text/wrap.js';
import { GLOBAL_GROUP } from './global-options.js';
import type { Shell } from './shell.js';

/** Columns of a help that does not go to a terminal. */
const USUAL = 100;
const WIDEST = 120;
/** The least columns for a description beside its term. */
const BESIDE = 24;
const INDENT = '  ';
const BELOW = INDENT.repeat(3);

const GLOBALS_LINE = 'Global options, such as --repo, --password-file, --json and --quiet: `varve --help`.';

/** A command that throws its errors, and writes to the shell's streams. */
export function newCommand(name: string, shell: Shell, json: boolean): Command {
  const columns = helpColumns(shell);
  const command = new TerminalCommand(name, columns);
  command.exitOverride();
  command.configureOutput({
    writeOut: (text) => void shell.out.write(wrapText(joinParagraphs(text), columns)),
    writeErr: (text) => void (json || shell.err.write(text)),
  });
  return command;
}

class TerminalCommand extends Command {
  readonly #columns: number;

  constructor(name: string, columns: number) {
    super(name);
    this.#columns = columns;
  }

  override createCommand(name = ''): Command {
    return new TerminalCommand(name, this.#columns);
  }

  override createHelp(): Help {
    return new TerminalHelp(this.#columns);
  }
}

/** Shells export the terminal's width as COLUMNS. */
function helpColumns({ out, environment }: Shell): number {
  return Math.min(WIDEST, out.columns || Number(environment.COLUMNS) || USUAL);
}

class TerminalHelp extends Help {
  override readonly helpWidth: number;
  #optionWidth = 0;

  constructor(columns: number) {
    super();
    this.helpWidth = columns;
    this.minWidthToWrap = 0;
  }

  override visibleOptions(command: Command): Option[] {
    const options = super.visibleOptions(command);
    return isTop(command) ? options : options.filter(({ helpGroupHeading }) => helpGroupHeading !== GLOBAL_GROUP);
  }

  override formatHelp(command: Command, helper: Help): string {
    const page = super.formatHelp(command, helper);
    if (isTop(command)) return commandsFirst(page);
    return `${page}\n${GLOBALS_LINE}\n`;
  }

  /** Commands and options are aligned separately, so that long options do not push the summaries of commands aside. */
  override padWidth(command: Command, helper: Help): number {
    this.#optionWidth = this.longestOptionTermLength(command, helper);
    return Math.max(this.longestArgumentTermLength(command, helper), this.longestSubcommandTermLength(command, helper));
  }

  /** Puts a description below its term where there is little space beside it. */
  override formatItem(term: string, termWidth: number, description: string, helper: Help): string {
    const wide = term.startsWith('-') ? this.#optionWidth : termWidth;
    const isBeside = this.helpWidth - wide - 2 * INDENT.length >= BESIDE;
    if (isBeside || description === '') return super.formatItem(term, wide, description, helper);
    return [
      INDENT + term,
      ...wrapText(description, this.helpWidth - BELOW.length)
        .split('\n')
        .map((line) => BELOW + line),
    ].join('\n');
  }

  override boxWrap(text: string, columns: number): string {
    return wrapText(text, columns);
  }
}

/** Joins the lines of a paragraph, so that it can be wrapped. */
const joinParagraphs = (text: string): string => text.replaceAll(/(?<=\S)\n(?=\S)/g, ' ');

const isTop = (command: Command): boolean => command.parent === null;

/** In the help of varve itself, commands come before options. */
function commandsFirst(page: string): string {
  const sections = page.trimEnd().split('\n\n');
  const isOptions = (section: string): boolean => /^(Options|Global options):\n/.test(section);
  const options = sections.filter(isOptions);
  return `${[...sections.filter((section) => !isOptions(section)), ...options].join('\n\n')}\n`;
}
