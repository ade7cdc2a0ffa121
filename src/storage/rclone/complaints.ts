// rclone's messages on standard error, with advice.
// rclone.ts attaches them to errors.
import { plain } from '../rest/refusal.js';

const DATE = /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d /;
/** Lines that explain no failure. */
const CHATTER = /^(?:NOTICE|INFO|DEBUG) *:/;
/** The beginning of a line when rclone logs no date. */
const BEGINNING = /^(?:NOTICE|INFO|DEBUG|ERROR|CRITICAL|Error|Failed|Fatal|\{)/;
/** Advice for known messages. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/didn't find section in config file/, '`rclone listremotes` lists the remotes, `rclone config` makes one'],
  [/unable to decrypt configuration|RCLONE_CONFIG_PASS/i, 'its configuration has a password: set RCLONE_CONFIG_PASS'],
  [/is it obscured\?/, 'passwords in locations must be encoded by `rclone obscure`'],
];

export interface Complaint {
  readonly text: string;
  /** By performance.now(). */
  readonly at: number;
}

/** The last complaint of rclone on standard error. It may have several lines, and the first says the most. */
export class Complaints {
  #last: Complaint | undefined;
  #chatting = false;

  /** @param line without rclone's secrets @returns the line, safe to show */
  add(line: string): string {
    const text = plain(line.replace(DATE, ''));
    if (DATE.test(line) || BEGINNING.test(text) || this.#last === undefined) {
      this.#chatting = CHATTER.test(text);
      if (!this.#chatting && text !== '') this.#last = { text, at: performance.now() };
    } else if (!this.#chatting) this.#last = { ...this.#last, text: plain(`${this.#last.text} ${text}`) };
    return text;
  }

  /** The last complaint, with advice where there is any. */
  get last(): Complaint | undefined {
    if (this.#last === undefined) return undefined;
    const { text, at } = this.#last;
    const advice = ADVICE.find(([said]) => said.test(text));
    return { text: advice === undefined ? text : `${text}; ${advice[1]}`, at };
  }
}
