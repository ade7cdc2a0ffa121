import { Buffer } from 'node:buffer';
import type { CryptoEngine } from '../../src/crypto/engine.js';
import { createRepositoryKeys } from '../../src/crypto/hierarchy.js';
import { createSlot } from '../../src/crypto/slot.js';
import { BadCopies } from '../../src/repository/bad-copies.js';
import { LocalState } from '../../src/repository/local-state.js';
import { packCapacity } from '../../src/repository/packs/pack-writer.js';
import type { Repository } from '../../src/repository/repository.js';
import type { Store } from '../../src/storage/store.js';
import { SharedBuffers } from '../../src/workers/shared-buffers.js';
import type { Process } from './process.js';

const SIZES = { min: 1024, average: 2048, max: 4096 };
/** Packs that can be open at a time in a whole run. */
const BUFFERS = 48;

/** The parts that are made once and shared by all runs: the keys, and the buffers for packs. */
export class Fixture {
  readonly #repository: Omit<Repository, 'store' | 'clock' | 'machine'>;
  readonly #buffers = SharedBuffers.create(BUFFERS, packCapacity(0, SIZES.max, 0));

  private constructor(repository: Omit<Repository, 'store' | 'clock' | 'machine'>) {
    this.#repository = repository;
  }

  /** Two fixtures with the same engine have different keys. */
  static async create(engine: CryptoEngine): Promise<Fixture> {
    const keys = createRepositoryKeys(engine).withConfig(new Uint8Array(32));
    const unlock = { password: 'pebble' };
    const { identity } = await createSlot(keys, {
      role: 'full',
      unlock,
      user: 'anna',
      host: 'a',
      created: 0,
      logN: 10,
    });
    const created = { seconds: 0, nanoseconds: 0 };
    const sizes = { data: SIZES, tree: SIZES };
    const config = { repository: Buffer.from(keys.repository), created, ...sizes, gear: undefined, parity: 0 };
    return new Fixture({
      keys,
      identity,
      config,
      local: new LocalState(undefined, identity, engine),
      badCopies: new BadCopies(),
    });
  }

  /** Frees all buffers, whatever the last run did. */
  freshBuffers(): SharedBuffers {
    const { states, ...handle } = this.#buffers.handle;
    return new SharedBuffers({ ...handle, states: new Int32Array(new SharedArrayBuffer(states.byteLength)) });
  }

  /** The repository as a process sees it. */
  open({ world, host, machine }: Process, store: Store): Repository {
    return this.openAs({ clock: () => (world.now + host.clock) * 1000, machine }, store);
  }

  openAs(by: Pick<Repository, 'clock' | 'machine'>, store: Store): Repository {
    return { ...this.#repository, ...by, store };
  }
}
