import { openSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { VarveError } from '../errors/errors.js';
import type { Context } from './shell.js';

const ENTER = new Set(['\r', '\n']);
const CTRL_C = '\x03';
const CTRL_D = '\x04';
const CTRL_U = '\x15';
const BACKSPACE = new Set(['\x7f', '\b']);

/** Whether somebody sits at a terminal; standard input may be busy with something else. */
export function canPrompt(context: Context): boolean {
  return context.err.isTTY === true && (context.input.isTTY === true || openTerminal() !== undefined);
}

let terminal: ReadStream | undefined;

function openTerminal(): ReadStream | undefined {
  try {
    terminal ??= new ReadStream(openSync('/dev/tty', 'r'));
  } catch {
    return undefined;
  }
  return terminal;
}

/** Reads a line from the terminal without showing it. */
export async function promptPassword(context: Context, question: string): Promise<string> {
  const input = context.input.isTTY === true ? context.input : openTerminal();
  if (input === undefined) throw new VarveError('usage', 'there is no terminal to ask on');
  context.output.flush();
  // First, so that nothing is shown of what is typed early.
  input.setRawMode(true);
  context.err.write(question);
  try {
    return await readHidden(input);
  } finally {
    input.setRawMode(false);
    input.pause();
    input.unref();
    context.err.write('\n');
  }
}

function readHidden(input: ReadStream | NodeJS.ReadStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let typed = '';
    const finish = (settle: () => void): void => {
      input.off('data', onData);
      input.off('end', onEnd);
      settle();
    };
    const onEnd = (): void => finish(() => reject(new VarveError('interrupted', 'no password was given')));
    const onData = (data: Buffer | string): void => {
      for (const character of data.toString('utf8')) {
        if (ENTER.has(character)) {
          finish(() => resolve(typed));
          return;
        }
        if (character === CTRL_C || (character === CTRL_D && typed === '')) {
          onEnd();
          return;
        }
        if (BACKSPACE.has(character)) typed = [...typed].slice(0, -1).join('');
        else if (character === CTRL_U) typed = '';
        else typed += character;
      }
    };
    input.on('data', onData);
    input.on('end', onEnd);
    input.ref();
    input.resume();
  });
}
