// Time, waiting and random numbers of the guards.
// Tests provide their own.
import { setTimeout as sleep } from 'node:timers/promises';

/** Time, waiting and random numbers; tests provide their own. */
export interface Clock {
  /** Monotonic milliseconds, which do not advance while the machine sleeps. */
  now(): number;
  date(): Date;
  /** Rejects when the signal is aborted. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
  /** A random number, 0 ≤ x < 1. */
  random(): number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
  random: Math.random,
};
