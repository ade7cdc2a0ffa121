import type { Dice } from './dice.js';

/** Different contents that files can have: few, so that hosts have some in common and old ones come back. */
const CONTENTS = 14;
const NAMES = ['a', 'b', 'c', 'x/a', 'x/b', 'y/a'];

/** What a host backs up: paths with one directory at most, and the number of each file's content. */
export type Files = ReadonlyMap<string, number>;

export function firstFiles(dice: Dice): Map<string, number> {
  return new Map(NAMES.filter((name) => name === 'b' || dice.chance(0.6)).map((name) => [name, dice.below(CONTENTS)]));
}

/** Changes, adds and removes some. */
export function changeFiles(files: Map<string, number>, dice: Dice): void {
  for (let changes = dice.below(4); changes > 0; changes--) {
    const name = dice.pick(NAMES);
    if (files.size > 1 && dice.chance(0.3)) files.delete(name);
    else files.set(name, dice.below(CONTENTS));
  }
}

export const contentOf = (number: number): string => `what is in file number ${number}`;
