/** What became of the tests over one store. */
export interface Counts {
  readonly tests: number;
  readonly pass: number;
  readonly fail: number;
  readonly skipped: number;
  readonly minutes: number;
}

/** The counts at the end of TAP. Tests that were cancelled have failed; a run that has no counts, too. */
export function summary(tap: readonly string[]): Omit<Counts, 'minutes'> {
  const count = (what: string): number => {
    const line = tap.findLast((each) => each.startsWith(`# ${what} `));
    return Number(line?.slice(`# ${what} `.length) ?? Number.NaN);
  };
  const fail = count('fail') + count('cancelled');
  if (Number.isNaN(fail)) return { tests: 0, pass: 0, fail: 1, skipped: 0 };
  return { tests: count('tests'), pass: count('pass'), fail, skipped: count('skipped') };
}

/** Why tests were left out, each reason once, with how often. */
export function reasons(tap: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of tap) {
    const reason = / # SKIP (.+)$/.exec(line)?.[1];
    if (reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return [...counts].map(([reason, count]) => `skipped ${count}: ${reason}`);
}

/** @param results of each store its counts, or why it was left out */
export function table(results: readonly (readonly [string, Counts | string])[]): string {
  const rows = results.map(([store, counts]) => {
    if (typeof counts === 'string') return [store, 'left out', '', '', '', ''];
    const { tests, pass, fail, skipped, minutes } = counts;
    return [store, ...[tests, pass, fail, skipped].map(String), minutes.toFixed(1)];
  });
  const all = [['store', 'tests', 'pass', 'fail', 'skipped', 'minutes'], ...rows];
  return all.map((row) => row.map((cell, at) => (at === 0 ? cell.padEnd(12) : cell.padStart(9))).join('')).join('\n');
}
