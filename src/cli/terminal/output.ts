import { once } from 'node:events';
import { printableMessage } from '../text/escape.js';
import { cutToWidth } from '../text/width.js';
import { columnsOf, wrapText } from '../text/wrap.js';

const CLEAR_LINE = '\r\x1b[K';
const CLEAR_LINE_ABOVE = '\x1b[1A\x1b[K';
/** Characters gathered before they are written: a call for every line of a long listing takes longer than the listing. */
const GATHERED = 64 * 1024;
/** Milliseconds for which a line of status that is made anew all the time stays. */
const STATUS_MS = 100;

/** How much is told: 0 results only (`--quiet`), 1 as usual, 2 and 3 for `-v` and `-vv`. */
export type Verbosity = 0 | 1 | 2 | 3;

/** Standard output and standard error of a command. With `--json` standard output has JSON and nothing else. */
export class Output {
  readonly json: boolean;
  readonly verbosity: Verbosity;
  readonly #out: NodeJS.WriteStream;
  readonly #err: NodeJS.WriteStream;
  #gathered = '';
  #status = '';
  /** How many want none to be drawn. */
  #holds = 0;
  /** When it was drawn, by performance.now(). */
  #drawn = Number.NEGATIVE_INFINITY;

  constructor(json: boolean, verbosity: Verbosity, out: NodeJS.WriteStream, err: NodeJS.WriteStream) {
    this.json = json;
    this.verbosity = verbosity;
    this.#out = out;
    this.#err = err;
  }

  get isTerminal(): boolean {
    return this.#out.isTTY === true;
  }

  get columns(): number {
    return this.#out.columns || 80;
  }

  /** Columns that tables and messages may take. */
  get width(): number {
    return columnsOf(this.#out);
  }

  /** A line of the result. */
  print(line = ''): void {
    this.write(`${line}\n`);
  }

  /** A sentence of the result, for people. */
  prose(text: string): void {
    this.print(wrapText(text, this.width));
  }

  /** A piece of the result: a line of a long JSON document is printed as it becomes known. */
  write(text: string): void {
    this.#gathered += text;
    if (this.#gathered.length >= GATHERED || this.isTerminal) this.flush();
  }

  /** A JSON document, compact, on a line. */
  object(value: unknown): void {
    this.print(JSON.stringify(value));
  }

  /** A line for people about what is going on: not with `--json` or `--quiet`. */
  message(line: string, level: Verbosity = 1): void {
    if (!this.json && this.verbosity >= level) this.prose(line);
  }

  /** A line on standard error. */
  error(line: string): void {
    this.#errorLine(wrapText(printableMessage(line), columnsOf(this.#err)));
  }

  /** A JSON document on standard error. */
  errorObject(value: unknown): void {
    this.#errorLine(JSON.stringify(value));
  }

  warn(text: string): void {
    if (this.json) this.errorObject({ message_type: 'warning', message: text });
    else this.error(`Warning: ${text}`);
  }

  /**
   * Draws the status, a line or several that stay below all others, in place of the last one; '' removes it. Only on a terminal. One
   * that is given as a function may be left out: others will follow soon.
   */
  status(line: string | (() => string)): void {
    if (!this.isTerminal || this.#holds > 0) return;
    const now = performance.now();
    if (typeof line !== 'string' && now - this.#drawn < STATUS_MS) return;
    const lines = (typeof line === 'string' ? line : line()).split('\n');
    // A line that is longer than the terminal is wide would not be drawn over.
    const text = lines.map((each) => cutToWidth(each, this.columns - 1)).join('\n');
    if (text === this.#status) return;
    this.flush();
    this.#out.write(clearing(this.#status) + text);
    this.#status = text;
    this.#drawn = now;
  }

  /** Takes the line of status away, and draws none until it is let go again: somebody is asked something. */
  holdStatus(hold: boolean): void {
    if (hold) this.#hideStatus();
    this.#holds += hold ? 1 : -1;
  }

  /** Bytes of a result. Resolves when more can be taken. */
  async bytes(bytes: Uint8Array): Promise<void> {
    this.flush();
    if (!this.#out.write(bytes)) await once(this.#out, 'drain');
  }

  flush(): void {
    if (this.#gathered === '') return;
    const status = this.#status;
    this.#hideStatus();
    this.#out.write(this.#gathered);
    this.#gathered = '';
    if (status !== '') {
      this.#out.write(status);
      this.#status = status;
    }
  }

  #errorLine(line: string): void {
    this.flush();
    this.#hideStatus();
    this.#err.write(`${line}\n`);
  }

  #hideStatus(): void {
    if (this.#status !== '') this.#out.write(clearing(this.#status));
    this.#status = '';
  }
}

/** What removes the lines of a status, with the cursor at the end of the last. */
function clearing(status: string): string {
  return CLEAR_LINE + CLEAR_LINE_ABOVE.repeat(status.split('\n').length - 1);
}
