import { parentPort } from 'node:worker_threads';
import { FAULTS } from './faults.js';
import { type Outcome, simulate } from './run.js';

/** The seeds that a thread simulates. */
export interface Order {
  readonly first: number;
  readonly seeds: number;
  readonly fault: string | undefined;
}

/** All failures, but only the number of other runs. */
export interface Report {
  readonly runs: number;
  readonly steps: number;
  readonly removed: number;
  readonly failures: readonly (Outcome & { readonly failure: string })[];
}

async function carryOut({ first, seeds, fault }: Order): Promise<Report> {
  const failures = [];
  let [steps, removed] = [0, 0];
  for (let seed = first; seed < first + seeds; seed++) {
    const { failure, trace, removed: gone } = await simulate(seed, fault === undefined ? undefined : FAULTS[fault]);
    steps += trace.length;
    removed += gone;
    if (failure !== undefined) failures.push({ seed, failure, trace, removed: gone });
  }
  return { runs: seeds, steps, removed, failures };
}

parentPort?.on('message', (order: Order) => {
  carryOut(order).then((report) => parentPort?.postMessage(report));
});
