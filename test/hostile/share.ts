import { WHOLE } from '../whole.js';

interface Named {
  readonly name: string;
}

const family = ({ name }: Named): string | undefined => name.split('-')[0];

/** The first and the last case of each family, which the first word of a name says; all cases in a whole run. */
export function shareOf<Case extends Named>(cases: readonly Case[]): readonly Case[] {
  if (WHOLE) return cases;
  return cases.filter((each, at) => {
    const [before, after] = [cases[at - 1], cases[at + 1]];
    return [before, after].some((other) => other === undefined || family(other) !== family(each));
  });
}
