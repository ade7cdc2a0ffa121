import { setTimeout as sleep } from 'node:timers/promises';

/** Time, waiting and chance: tests pass in their own. */
export interface Clock {
  /** Milliseconds that only go forwards, and stand still while the machine sleeps. */
  now(): number;
  date(): Date;
  /** Rejects when the signal is aborted. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
  /** From 0 to less than 1. */
  random(): number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
  random: Math.random,
};
