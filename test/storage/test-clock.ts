import type { Clock } from '../../src/storage/guards/clock.js';

/** A clock on which waiting takes no time, and which notes how long was waited. */
export class TestClock implements Clock {
  readonly waits: number[] = [];
  /** Called while an operation sleeps. */
  onSleep: () => void = () => undefined;
  #now = 0;
  readonly #random: () => number;

  /** @param random by default every wait is as long as may be */
  constructor(random: () => number = () => 1) {
    this.#random = random;
  }

  now(): number {
    return this.#now;
  }

  date(): Date {
    return new Date(Date.UTC(2026, 0, 1) + this.#now);
  }

  pass(milliseconds: number): void {
    this.#now += milliseconds;
  }

  async sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    this.waits.push(milliseconds);
    this.onSleep();
    signal.throwIfAborted();
    this.#now += milliseconds;
  }

  random(): number {
    return this.#random();
  }
}
