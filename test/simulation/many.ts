import { Worker } from 'node:worker_threads';
import type { Order, Report } from './worker.js';

/** Seeds that a thread simulates before it asks for more. */
const AT_A_TIME = 25;
/** The same where the first failure ends it. */
const UNTIL_FAILURE = 5;

export interface Many {
  readonly first: number;
  readonly seeds: number;
  readonly fault?: string | undefined;
  readonly threads: number;
  /** Whether no more are begun once one has failed. */
  readonly untilFailure: boolean;
  readonly onReport?: (sofar: Report) => void;
}

/** Simulates many seeds in several threads. @returns with the failures in order of seed */
export async function simulateMany({ first, seeds, fault, threads, untilFailure, onReport }: Many): Promise<Report> {
  const total = { runs: 0, steps: 0, removed: 0, failures: [] as Report['failures'][number][] };
  let next = first;
  const order = (): Order | undefined => {
    if (next >= first + seeds || (untilFailure && total.failures.length > 0)) return undefined;
    const at = next;
    next = Math.min(at + (untilFailure ? UNTIL_FAILURE : AT_A_TIME), first + seeds);
    return { first: at, seeds: next - at, fault };
  };
  const accept = ({ runs, steps, removed, failures }: Report): void => {
    total.runs += runs;
    total.steps += steps;
    total.removed += removed;
    total.failures.push(...failures);
    onReport?.(total);
  };
  await Promise.all(Array.from({ length: threads }, () => inThread(order, accept)));
  total.failures.sort((a, b) => a.seed - b.seed);
  return total;
}

async function inThread(order: () => Order | undefined, accept: (report: Report) => void): Promise<void> {
  const worker = new Worker(new URL('./worker.js', import.meta.url));
  try {
    for (let each = order(); each !== undefined; each = order()) accept(await ask(worker, each));
  } finally {
    await worker.terminate();
  }
}

function ask(worker: Worker, order: Order): Promise<Report> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (report: Report) => {
      worker.off('error', reject);
      resolve(report);
    });
    worker.postMessage(order);
  });
}
