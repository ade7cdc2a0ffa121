import { plain } from '../rest/refusal.js';

const DATE = /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d /;
/** What it says that is no reason for anything. */
const CHATTER = /^(?:NOTICE|INFO|DEBUG) *:/;
/** How what it says begins where it is told to leave out the date. */
const BEGINNING = /^(?:NOTICE|INFO|DEBUG|ERROR|CRITICAL|Error|Failed|Fatal|\{)/;
/** What a user can do about it. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /didn't find section in config file/,
    '`rclone listremotes` lists the remotes that there are, `rclone config` makes one',
  ],
  [
    /unable to decrypt configuration|RCLONE_CONFIG_PASS/i,
    'its configuration has a password: say it in RCLONE_CONFIG_PASS',
  ],
  [/is it obscured\?/, 'passwords in places are written as `rclone obscure` has them'],
];

export interface Complaint {
  readonly text: string;
  /** By performance.now(). */
  readonly at: number;
}

/** The last that rclone complained of on standard error. It may take several lines, of which the first tells the most. */
export class Complaints {
  #last: Complaint | undefined;
  #chatting = false;

  /** @param line without the secrets that rclone was told @returns the line as it may be shown */
  add(line: string): string {
    const text = plain(line.replace(DATE, ''));
    if (DATE.test(line) || BEGINNING.test(text) || this.#last === undefined) {
      this.#chatting = CHATTER.test(text);
      if (!this.#chatting && text !== '') this.#last = { text, at: performance.now() };
    } else if (!this.#chatting) this.#last = { ...this.#last, text: plain(`${this.#last.text} ${text}`) };
    return text;
  }

  /** With what to do, where that is known. */
  get last(): Complaint | undefined {
    if (this.#last === undefined) return undefined;
    const { text, at } = this.#last;
    const advice = ADVICE.find(([said]) => said.test(text));
    return { text: advice === undefined ? text : `${text}; ${advice[1]}`, at };
  }
}
