import type { Store } from '../../src/storage/store.js';
import type { Process } from './process.js';

/** Something that is broken on purpose, from the outside: between the code and its store. */
export interface Fault {
  readonly store: (process: Process, store: Store) => Store;
}

export const FAULTS: Readonly<Record<string, Fault>> = {};
