// How helps look: as wide as the terminal, a command's own options first, and of the global ones a line.
import { Command, Help, type Option } from 'commander';
import { wrapText } from '../text/wrap.js';
import { GLOBAL_GROUP } from './global-options.js';
import type { Shell } from './shell.js';

/** Columns of a help that is not for a terminal. */
const USUAL = 100;
const WIDEST = 120;
/** Columns that a description needs to stand beside its term. */
const BESIDE = 24;
const INDENT = '  ';
const BELOW = INDENT.repeat(3);

const GLOBALS_LINE = 'Global options, such as --repo, --password-file, --json and --quiet: `varve --help`.';

/** A command whose errors are thrown, and whose output goes where the shell says. */
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

/** COLUMNS is what shells call the terminal's width. */
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

  /** Options have a width of their own, so that they do not push the summaries of commands aside. */
  override padWidth(command: Command, helper: Help): number {
    this.#optionWidth = this.longestOptionTermLength(command, helper);
    return Math.max(this.longestArgumentTermLength(command, helper), this.longestSubcommandTermLength(command, helper));
  }

  /** Below its term, where there is little space beside it. */
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

/** Lines of a paragraph in the source are one to be wrapped. */
const joinParagraphs = (text: string): string => text.replaceAll(/(?<=\S)\n(?=\S)/g, ' ');

const isTop = (command: Command): boolean => command.parent === null;

/** The help of varve itself: what it can do comes before the options. */
function commandsFirst(page: string): string {
  const sections = page.trimEnd().split('\n\n');
  const isOptions = (section: string): boolean => /^(Options|Global options):\n/.test(section);
  const options = sections.filter(isOptions);
  return `${[...sections.filter((section) => !isOptions(section)), ...options].join('\n\n')}\n`;
}
