import type { Dice } from './dice.js';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** The probabilities of a run. In some runs everything goes wrong, in others only one thing. */
export interface Odds {
  /** Probabilities at each request. */
  readonly kill: number;
  readonly suspend: number;
  readonly fail: number;
  readonly loseAnswer: number;
  /** Probability that the disk damages or loses an index object before a repair of the index. */
  readonly spoil: number;
  /** Probability that an object is listed that came or went during the listing. */
  readonly seen: number;
  /** Seconds that each step takes, at most. */
  readonly pace: number;
  /** Number of operations. */
  readonly operations: number;
  /** Grace time of prunes, in seconds. */
  readonly grace: number;
  /** Seconds between two operations of a lane, at most. */
  readonly pauses: readonly number[];
  /** Seconds that a host is suspended, at most. */
  readonly sleeps: readonly number[];
  /** Seconds that reading a file takes, at most. */
  readonly reading: number;
}

export function drawOdds(dice: Dice): Odds {
  const wild = dice.pick([0, 0.3, 1, 3]);
  const often = (chance: number): number => (dice.chance(0.5) ? chance * wild : 0);
  return {
    kill: often(0.003),
    suspend: often(0.003),
    fail: often(0.004),
    loseAnswer: often(0.004),
    spoil: dice.chance(0.3) ? 0.7 : 0,
    seen: dice.pick([0, 0.5, 0.5, 1]),
    pace: dice.pick([0.1, 4, 12]),
    operations: 6 + dice.below(8),
    grace: dice.pick([0, 0, HOUR, DAY]),
    pauses: dice.pick([[MINUTE], [MINUTE, HOUR], [20 * MINUTE, HOUR, DAY], [MINUTE, 2 * DAY]]),
    sleeps: dice.pick([[20 * MINUTE], [HOUR, 3 * HOUR], [2 * DAY], [HOUR, 5 * DAY]]),
    reading: dice.pick([1, 1, 10 * MINUTE, 2 * HOUR]),
  };
}
