import type { Repository } from '../../src/repository/repository.js';
import type { Backing } from './backup.js';
import type { Elsewhere } from './elsewhere.js';
import type { Process } from './process.js';

/** Bytes at which packs are closed: few, because all files are small. */
export const PACK_TARGET = 400;

export const WRITING = { compression: 'off', packTarget: PACK_TARGET } as const;

/** The arguments of an operation. */
export interface Task {
  readonly process: Process;
  readonly repository: Repository;
  /** The same repository past the scheduler, read-only. */
  readonly bare: Repository;
  readonly backing: Backing;
  readonly elsewhere: Elsewhere;
  /** Notes snapshots that may be gone from now on. */
  readonly giveUp: (ids: readonly string[]) => void;
  /** Notes a snapshot that must exist from now on. */
  readonly promise: (id: string) => void;
}
