import type { Repository } from '../../src/repository/repository.js';
import type { Backing } from './backup.js';
import type { Elsewhere } from './elsewhere.js';
import type { Process } from './process.js';

/** Bytes at which packs are closed: few, as all is small. */
export const PACK_TARGET = 400;

export const WRITING = { compression: 'off', packTarget: PACK_TARGET } as const;

/** What an operation is given. */
export interface Task {
  readonly process: Process;
  readonly repository: Repository;
  /** The same, with nobody between it and the disk; it cannot be written to. */
  readonly bare: Repository;
  readonly backing: Backing;
  readonly elsewhere: Elsewhere;
  /** Snapshots that may be gone from now on. */
  readonly giveUp: (ids: readonly string[]) => void;
  /** A snapshot that has been promised to be there. */
  readonly promise: (id: string) => void;
}
