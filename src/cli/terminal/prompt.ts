/** Asks for passwords on the terminal. It hides what the user types, even before the question. */
import { openSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { VarveError } from '../../errors/errors.js';
import type { Context } from '../program/shell.js';

const ENTER = new Set(['\r', '\n']);
const CTRL_C = '\x03';
const CTRL_D = '\x04';
const CTRL_U = '\x15';
const BACKSPACE = new Set(['\x7f', '\b']);

/** Whether there is a terminal to ask for a password; standard input may be in use for data. */
export function canPrompt(context: Context): boolean {
  return terminalOf(context) !== undefined;
}

/**
 * Hides what the user types until the returned function is called. Holds may overlap. Typed text is kept for the next question; Ctrl-C
 * interrupts the program.
 */
export function hideTyping(context: Context): () => void {
  const input = terminalOf(context);
  if (input === undefined) return () => undefined;
  hidden ??= new HiddenTerminal(input);
  return hidden.hold();
}

/** Lends the terminal to another program that asks a question, such as ssh, or takes it back. */
export function lendTerminal(lent: boolean): void {
  hidden?.lend(lent);
}

/** Reads a line from the terminal without showing it. */
export async function promptPassword(context: Context, question: string): Promise<string> {
  const release = hideTyping(context);
  if (hidden === undefined) throw new VarveError('usage', 'no terminal to ask for it');
  context.output.flush();
  context.err.write(question);
  try {
    return await hidden.line();
  } finally {
    context.err.write('\n');
    release();
  }
}

let terminal: ReadStream | undefined;
let hidden: HiddenTerminal | undefined;

function terminalOf({ err, input }: Context): ReadStream | NodeJS.ReadStream | undefined {
  if (err.isTTY !== true) return undefined;
  return input.isTTY === true ? input : openTerminal();
}

function openTerminal(): ReadStream | undefined {
  try {
    terminal ??= new ReadStream(openSync('/dev/tty', 'r'));
  } catch {
    return undefined;
  }
  return terminal;
}

/** A terminal in raw mode. */
class HiddenTerminal {
  readonly #input: ReadStream | NodeJS.ReadStream;
  readonly #onData = (data: Buffer | string): void => this.#take(data.toString('utf8'));
  readonly #onEnd = (): void => this.#end();
  /** Lines that the user typed before the question. */
  readonly #lines: string[] = [];
  #typed = '';
  #ended = false;
  #holds = 0;
  #lent = false;
  #asked: { resolve: (line: string) => void; reject: (cause: VarveError) => void } | undefined;

  constructor(input: ReadStream | NodeJS.ReadStream) {
    this.#input = input;
  }

  hold(): () => void {
    if (this.#holds++ === 0) this.#open();
    let held = true;
    return () => {
      if (held && --this.#holds === 0) this.#close();
      held = false;
    };
  }

  lend(lent: boolean): void {
    if (this.#holds === 0 || lent === this.#lent) return;
    this.#lent = lent;
    if (lent) this.#close();
    else this.#open();
  }

  line(): Promise<string> {
    const line = this.#lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.#ended) return Promise.reject(noPassword());
    // Waiting for an answer keeps the process alive; a hold alone does not.
    this.#input.ref();
    return new Promise((resolve, reject) => {
      this.#asked = { resolve, reject };
    });
  }

  #open(): void {
    this.#input.setRawMode(true);
    this.#input.on('data', this.#onData);
    this.#input.on('end', this.#onEnd);
    this.#input.resume();
    this.#input.unref();
  }

  #close(): void {
    this.#input.off('data', this.#onData);
    this.#input.off('end', this.#onEnd);
    this.#input.setRawMode(false);
    this.#input.pause();
    this.#input.unref();
  }

  #take(text: string): void {
    for (const character of text) {
      if (ENTER.has(character)) this.#enter();
      else if (character === CTRL_C) this.#interrupt();
      else if (character === CTRL_D && this.#typed === '') this.#end();
      else if (BACKSPACE.has(character)) this.#typed = [...this.#typed].slice(0, -1).join('');
      else if (character === CTRL_U) this.#typed = '';
      else this.#typed += character;
    }
  }

  #enter(): void {
    const line = this.#typed;
    this.#typed = '';
    const asked = this.#asked;
    this.#asked = undefined;
    if (asked === undefined) this.#lines.push(line);
    else {
      this.#input.unref();
      asked.resolve(line);
    }
  }

  /** In raw mode the terminal sends no signal. */
  #interrupt(): void {
    if (this.#asked === undefined) process.kill(process.pid, 'SIGINT');
    else this.#refuse();
  }

  #end(): void {
    this.#ended = true;
    this.#refuse();
  }

  #refuse(): void {
    const asked = this.#asked;
    this.#asked = undefined;
    asked?.reject(noPassword());
  }
}

const noPassword = (): VarveError => new VarveError('interrupted', 'no password was given');
