import { uptime } from 'node:os';

/** Seconds for which a server's answer tells its clock: what it is asked for must show that this machine was stopped meanwhile. */
const FRESH_SECONDS = 10;

/**
 * A server's clock by its last answer. The time since then is measured by the uptime, which goes on while the machine sleeps, and which nobody
 * sets.
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

  /** Seconds since 1970; undefined when the last answer is too long ago: then ask for one. */
  get seconds(): number | undefined {
    if (this.#answer === undefined) return undefined;
    const passed = this.#uptime() - this.#answer.at;
    return passed <= FRESH_SECONDS ? this.#answer.seconds + passed : undefined;
  }
}
