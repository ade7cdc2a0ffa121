// Standard output, standard error and the status line of a command.
// The commands decide what to say; text/ formats values.
import { once } from 'node:events';
import { printableMessage } from '../text/escape.js';
import { cutToWidth } from '../text/width.js';
import { columnsOf, wrapText } from '../text/wrap.js';

const CLEAR_LINE = '\r\x1b[K';
const CLEAR_LINE_ABOVE = '\x1b[1A\x1b[K';
/** Characters to buffer: a system call for each line of a long listing would take longer than the listing. */
const GATHERED = 64 * 1024;
/** The least time in milliseconds between two updates of the status line. */
const STATUS_MS = 100;

/** 0 for results only (`--quiet`), 1 by default, 2 and 3 for `-v` and `-vv`. */
export type Verbosity = 0 | 1 | 2 | 3;

/** Standard output and standard error of a command. With `--json`, standard output has only JSON. */
export class Output {
  readonly json: boolean;
  readonly verbosity: Verbosity;
  readonly #out: NodeJS.WriteStream;
  readonly #err: NodeJS.WriteStream;
  #gathered = '';
  #status = '';
  /** The number of holds; the status is drawn only when it is 0. */
  #holds = 0;
  /** The time of the last drawing, by performance.now(). */
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

  /** A piece of the result, for a JSON document that is printed as it becomes known. */
  write(text: string): void {
    this.#gathered += text;
    if (this.#gathered.length >= GATHERED || this.isTerminal) this.flush();
  }

  /** A JSON document, compact, on a line. */
  object(value: unknown): void {
    this.print(JSON.stringify(value));
  }

  /** A line for people; not printed with `--json` or `--quiet`. */
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
   * Draws the status below all other output and replaces the last one; '' removes it. Only on a terminal. A status given as a function may
   * be skipped, because others follow soon.
   */
  status(line: string | (() => string)): void {
    if (!this.isTerminal || this.#holds > 0) return;
    const now = performance.now();
    if (typeof line !== 'string' && now - this.#drawn < STATUS_MS) return;
    const lines = (typeof line === 'string' ? line : line()).split('\n');
    // A line wider than the terminal could not be drawn over.
    const text = lines.map((each) => cutToWidth(each, this.columns - 1)).join('\n');
    if (text === this.#status) return;
    this.flush();
    this.#out.write(clearing(this.#status) + text);
    this.#status = text;
    this.#drawn = now;
  }

  /** Removes the status and draws none while a question is on the terminal. */
  holdStatus(hold: boolean): void {
    if (hold) this.#hideStatus();
    this.#holds += hold ? 1 : -1;
  }

  /** Writes bytes of a result. Resolves when the stream can take more. */
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

/** The escape sequence that removes a status, with the cursor at its end. */
function clearing(status: string): string {
  return CLEAR_LINE + CLEAR_LINE_ABOVE.repeat(status.split('\n').length - 1);
}
