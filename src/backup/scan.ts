// Counts files and bytes during a first backup, in a thread of its own, so that progress has a total.
// The backup does not use the counts.
import type { FilterSpec } from '../filesystem/filter.js';
import { WorkerPool } from '../workers/pool.js';
import type { PendingDirectory } from './messages.js';

const WORKER = new URL('./scan-worker.js', import.meta.url);

/** What the scan's worker starts with. */
export interface ScanInit {
  readonly filter: FilterSpec;
  readonly nestedSources: readonly string[];
  /** Files and bytes counted so far. */
  readonly totals: Float64Array;
  /** Not 0: the scan stops. */
  readonly stop: Int32Array;
}

/** Positions in `totals`. */
export const ScanTotal = { files: 0, bytes: 1 } as const;

/** What the scan has counted so far. */
export interface Scanned {
  readonly files: number;
  readonly bytes: number;
  readonly isComplete: boolean;
}

/** A running scan. */
export class Scan {
  readonly #totals = new Float64Array(new SharedArrayBuffer(16));
  readonly #stop = new Int32Array(new SharedArrayBuffer(4));
  readonly #pool: WorkerPool<ScanInit, PendingDirectory, boolean>;
  #isComplete = false;

  /** @param root the directory that the backup walks */
  constructor(root: PendingDirectory, { filter, nestedSources }: Pick<ScanInit, 'filter' | 'nestedSources'>) {
    const data = { filter, nestedSources, totals: this.#totals, stop: this.#stop };
    this.#pool = new WorkerPool(WORKER, 1, () => ({ data, transfer: [] }));
    void this.#run(root);
  }

  get scanned(): Scanned {
    const [files = 0, bytes = 0] = this.#totals;
    return { files, bytes, isComplete: this.#isComplete };
  }

  async close(): Promise<void> {
    Atomics.store(this.#stop, 0, 1);
    await this.#pool.close();
  }

  async #run(root: PendingDirectory): Promise<void> {
    try {
      this.#isComplete = await this.#pool.run(root);
    } catch {
      // There is no total then. The backup reports errors in files.
    }
  }
}
