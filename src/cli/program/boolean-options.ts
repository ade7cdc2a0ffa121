/** Values of boolean options, as restic's scripts use them: `--json=true`, `--quiet=false`, `-v=2`. */
import type { Command, Option } from 'commander';
import { VarveError } from '../../errors/errors.js';

const TRUE = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const FALSE = ['0', 'f', 'F', 'false', 'FALSE', 'False'];
const MOST_VERBOSE = 2;

/** Whether the last `--json` asks for JSON. */
export function wantsJson(args: readonly string[]): boolean {
  const options = args.slice(0, endOfOptions(args));
  const last = options.findLast((arg) => arg === '--json' || arg.startsWith('--json='));
  return last !== undefined && !FALSE.includes(last.slice('--json='.length));
}

/**
 * Rewrites the arguments for commander: an option with the value true stands alone; one with the value false goes, and so do earlier ones
 * that it cancels.
 *
 * @param commands the commands whose options may be among the arguments
 * @throws VarveError `usage` for a value that is neither
 */
export function spellOut(args: readonly string[], commands: readonly Command[]): string[] {
  const options = commands.flatMap((command) => [...command.options]);
  const booleans = new Map(
    options.filter(isBoolean).flatMap((option) => namesOf(option).map((name) => [name, option])),
  );
  const valued = new Set(options.filter(({ required }) => required).flatMap(namesOf));
  const end = endOfOptions(args);
  let spelled: string[] = [];
  for (let at = 0; at < end; at++) {
    const arg = args[at] as string;
    const [, name = '', value = ''] = /^(--?[^=]+)=(.*)$/s.exec(arg) ?? [];
    const option = booleans.get(name);
    if (valued.has(arg) && at + 1 < end) spelled.push(arg, args[++at] as string);
    else if (option === undefined) spelled.push(arg);
    else if (option.long !== '--verbose' && truth(name, value)) spelled.push(name);
    else {
      spelled = spelled.filter((each) => booleans.get(each) !== option);
      if (option.long === '--verbose') spelled.push(...verbose(name, value));
    }
  }
  return [...spelled, ...args.slice(end)];
}

function endOfOptions(args: readonly string[]): number {
  const end = args.indexOf('--');
  return end < 0 ? args.length : end;
}

const isBoolean = ({ required, optional }: Option): boolean => !required && !optional;
const namesOf = ({ long, short }: Option): string[] => [long, short].filter((name) => name !== undefined);

function verbose(name: string, value: string): string[] {
  if (!/^\d+$/.test(value) && !TRUE.includes(value) && !FALSE.includes(value))
    throw notBoolean(name, value, 'a number');
  const level = /^\d+$/.test(value) ? Number(value) : Number(TRUE.includes(value));
  return new Array<string>(Math.min(MOST_VERBOSE, level)).fill('-v');
}

function truth(name: string, value: string): boolean {
  const known = truthOf(value);
  if (known === undefined) throw notBoolean(name, value, 'true or false');
  return known;
}

/** The values that Go parses as true or false; undefined for all others. */
export function truthOf(text: string): boolean | undefined {
  if (TRUE.includes(text)) return true;
  return FALSE.includes(text) ? false : undefined;
}

function notBoolean(name: string, value: string, wanted: string): VarveError {
  return new VarveError('usage', `${name}: "${value}" is not ${wanted}`);
}
