import { uptime } from 'node:os';

/** Seconds for which an answer's time counts. It must be short, to notice that this machine was suspended. */
const FRESH_SECONDS = 10;

/**
 * The server's clock from its last answer plus the uptime since then. The uptime advances while the machine sleeps, and it cannot be set.
 */
export class ServerClock {
  readonly #uptime: () => number;
  #answer: { readonly seconds: number; readonly at: number } | undefined;

  /** @param now seconds since the machine started */
  constructor(now: () => number = uptime) {
    this.#uptime = now;
  }

  /** @param date the answer's Date header */
  note(date: string | undefined): void {
    const milliseconds = date === undefined ? Number.NaN : Date.parse(date);
    if (!Number.isNaN(milliseconds)) this.noteSeconds(milliseconds / 1000);
  }

  /** @param seconds since 1970 */
  noteSeconds(seconds: number): void {
    this.#answer = { seconds, at: this.#uptime() };
  }

  /** Seconds since 1970; undefined when the last answer is too old: then ask the server. */
  get seconds(): number | undefined {
    if (this.#answer === undefined) return undefined;
    const passed = this.#uptime() - this.#answer.at;
    return passed <= FRESH_SECONDS ? this.#answer.seconds + passed : undefined;
  }
}
