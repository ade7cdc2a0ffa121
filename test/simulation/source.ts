import type { Dice } from './dice.js';

/** Number of different contents of files: few, so that hosts share some and old ones return. */
const CONTENTS = 14;
const NAMES = ['a', 'b', 'c', 'x/a', 'x/b', 'y/a'];

/** The files that a host backs up: paths with at most one directory, each with the number of its content. */
export type Files = ReadonlyMap<string, number>;

export function firstFiles(dice: Dice): Map<string, number> {
  return new Map(NAMES.filter((name) => name === 'b' || dice.chance(0.6)).map((name) => [name, dice.below(CONTENTS)]));
}

/** Changes, adds and removes some files. */
export function changeFiles(files: Map<string, number>, dice: Dice): void {
  for (let changes = dice.below(4); changes > 0; changes--) {
    const name = dice.pick(NAMES);
    if (files.size > 1 && dice.chance(0.3)) files.delete(name);
    else files.set(name, dice.below(CONTENTS));
  }
}

export const contentOf = (number: number): string => `content number ${number}`;
