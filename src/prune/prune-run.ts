import type { HeldLease } from '../repository/leases/leases.js';
import type { Repository } from '../repository/repository.js';
import type { NeededBlobs } from './needed.js';
import type { PruneOptions, PruneResult } from './options.js';
import type { SpaceMaker } from './space-maker.js';

/** What all steps of one prune share. */
export interface PruneRun {
  readonly repository: Repository;
  readonly options: PruneOptions;
  /** The prune's own lease. Each step confirms it before it writes or deletes. */
  readonly lease: HeldLease;
  readonly needed: NeededBlobs;
  readonly space: SpaceMaker;
  /** The plan's figures; each step adds what it did. */
  readonly result: PruneResult;
}
