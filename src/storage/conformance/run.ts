// Runs the checks of the contract on a store.
// The checks are in the other files of this directory.
import pLimit from 'p-limit';
import { VarveError } from '../../errors/errors.js';
import type { Store } from '../store.js';
import { CHECKS } from './checks.js';
import { HASHED, listed, type Subject } from './subject.js';

export interface CheckResult {
  readonly what: string;
  /** The problem; undefined for success. */
  readonly error: string | undefined;
  readonly seconds: number;
}

/** Concurrent removals, for a store without a default. */
const REMOVALS = 5;

/** Runs all checks on an empty location, one after another, and removes the objects of each before the next. */
export async function* runChecks(subject: Subject): AsyncGenerator<CheckResult> {
  for (const { what, run, plants } of CHECKS) {
    if (plants === true && subject.plant === undefined) continue;
    const began = performance.now();
    let error: string | undefined;
    try {
      await run(subject);
    } catch (cause) {
      const failed = VarveError.from(cause);
      if (failed.code === 'interrupted') throw cause;
      error = failed.message;
    }
    yield { what, error, seconds: (performance.now() - began) / 1000 };
    await empty(subject.store);
  }
}

/** Removes all objects. */
export async function empty(store: Store): Promise<void> {
  const limit = pLimit(store.connections ?? REMOVALS);
  for (const type of HASHED) {
    const found = await listed(store, type);
    await Promise.all(found.map(({ name }) => limit(() => store.remove(type, name))));
  }
  await store.remove('config', 'config');
}
