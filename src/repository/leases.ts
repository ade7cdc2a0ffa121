import type { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { VarveError } from '../errors/errors.js';
import { decodeLease, encodeLease, type Lease } from '../format/lease.js';
import { type Time, timeFromMillis } from '../format/time.js';
import type { Machine } from './machine.js';
import { getSigned, putSigned, type Repository } from './repository.js';

const REFRESH_MS = 5 * 60 * 1000;
const STALE_SECONDS = 30 * 60;

export interface StoredLease {
  readonly name: string;
  readonly lease: Lease;
  /** Its process is gone, or it was not refreshed for 30 minutes (SPEC.md section 13). */
  readonly stale: boolean;
}

/** Tells others what is being done to the repository. It never keeps anybody from anything. */
export class HeldLease {
  readonly #repository: Repository;
  readonly #lease: Omit<Lease, 'time'>;
  readonly #stopRefreshing: () => void;
  #name: string | undefined;
  #work: Promise<void> = Promise.resolve();

  private constructor(repository: Repository, operation: string, since: Time) {
    this.#repository = repository;
    const { machine } = repository;
    const { host, user, pid } = machine;
    this.#lease = { since, id: randomBytes(16), operation, host, user, pid };
    this.#stopRefreshing = machine.every(REFRESH_MS, () => this.#enqueue(() => this.#refresh()));
  }

  static async acquire(repository: Repository, operation: string): Promise<HeldLease> {
    const since = timeFromMillis((await repository.store.now()) * 1000);
    const held = new HeldLease(repository, operation, since);
    try {
      await held.#refresh();
    } catch (cause) {
      held.#stopRefreshing();
      throw cause;
    }
    return held;
  }

  get id(): Buffer {
    return this.#lease.id;
  }

  async release(): Promise<void> {
    this.#stopRefreshing();
    this.#enqueue(async () => {
      if (this.#name !== undefined) await this.#repository.store.remove('locks', this.#name);
      this.#name = undefined;
    });
    await this.#work;
  }

  /** A refresh that fails is tried again with the next; what needs the lease to be alive checks for itself. */
  #enqueue(action: () => Promise<void>): void {
    this.#work = this.#work.then(action).catch(() => undefined);
  }

  async #refresh(): Promise<void> {
    const old = this.#name;
    const time = timeFromMillis(this.#repository.clock());
    this.#name = await putSigned(this.#repository, 'lease', encodeLease({ ...this.#lease, time }));
    if (old !== undefined && old !== this.#name) await this.#repository.store.remove('locks', old);
  }
}

/** All leases. One that cannot be opened is nobody's: it is reported as stale by its age alone. */
export async function listLeases(repository: Repository): Promise<StoredLease[]> {
  const now = await repository.store.now();
  const leases: StoredLease[] = [];
  for await (const { name, modified } of repository.store.list('locks')) {
    const lease = await readLease(repository, name);
    if (lease === undefined) continue;
    const age = now - (modified ?? lease.time.seconds);
    leases.push({ name, lease, stale: age > STALE_SECONDS || isDead(lease, repository.machine) });
  }
  return leases;
}

async function readLease(repository: Repository, name: string): Promise<Lease | undefined> {
  try {
    const { payload } = await getSigned(repository, 'lease', name);
    return decodeLease(payload, `locks/${name}`);
  } catch (cause) {
    const error = VarveError.from(cause);
    // Gone, damaged, or of an epoch that this key does not know.
    if (error.code === 'not-found' || error.code === 'damaged' || error.code === 'role') return undefined;
    throw error;
  }
}

function isDead(lease: Lease, machine: Machine): boolean {
  return lease.host === machine.host && !machine.isRunning(lease.pid);
}
