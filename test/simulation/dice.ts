import { seeded } from '../filesystem/random.js';

/** All random choices of a run. They follow from the seed. */
export class Dice {
  readonly #random: ReturnType<typeof seeded>;

  constructor(seed: number) {
    this.#random = seeded(Math.imul(seed + 1, 0x9e3779b1));
  }

  /** A whole number from 0 to one below the limit. */
  below(limit: number): number {
    return this.#random.below(limit);
  }

  between(least: number, most: number): number {
    return least + (this.#random.below(2 ** 30) / 2 ** 30) * (most - least);
  }

  chance(part: number): boolean {
    return part > 0 && this.#random.below(2 ** 30) < part * 2 ** 30;
  }

  pick<T>(list: readonly T[]): T {
    return this.#random.pick(list);
  }

  /** A new array in random order. */
  shuffled<T>(list: readonly T[]): T[] {
    const out = [...list];
    for (let at = out.length - 1; at > 0; at--) {
      const other = this.below(at + 1);
      [out[at], out[other]] = [out[other] as T, out[at] as T];
    }
    return out;
  }

  weighted<T>(choices: readonly (readonly [number, T])[]): T {
    let left = this.between(
      0,
      choices.reduce((sum, [weight]) => sum + weight, 0),
    );
    for (const [weight, choice] of choices) {
      left -= weight;
      if (left < 0) return choice;
    }
    return (choices.at(-1) as readonly [number, T])[1];
  }
}
