import type { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { VarveError } from '../../errors/errors.js';
import { decodeLease, encodeLease, type Lease } from '../../format/lease.js';
import { type Time, timeFromMillis } from '../../format/time.js';
import type { Machine } from '../machine.js';
import { getSigned, putSigned, type Repository } from '../repository.js';

const REFRESH_MS = 5 * 60 * 1000;
const STALE_SECONDS = 30 * 60;
/** A holder that has not refreshed its lease for so long must not count on it: what it does next takes time too. */
const DOUBTFUL_SECONDS = 25 * 60;

export interface StoredLease {
  readonly name: string;
  readonly lease: Lease;
  /** Its process is gone, or it was not refreshed for 30 minutes (SPEC.md section 13). */
  readonly stale: boolean;
}

/** A lease that cannot be opened: nobody knows who holds it, or since when. */
export interface UnreadLease {
  readonly name: string;
  readonly error: VarveError;
  /** Written more than 30 minutes ago, so that whoever held it would have refreshed it. */
  readonly stale: boolean;
}

export interface LeaseOptions {
  /** One listing is enough, as a lease that is missed does no harm. */
  readonly once?: boolean;
  /** Is told of each lease that cannot be opened; the result does not have it. */
  readonly onUnread?: (lease: UnreadLease) => void;
}

/** Tells others what is being done to the repository. It never keeps anybody from anything. */
export class HeldLease {
  readonly #repository: Repository;
  readonly #lease: Omit<Lease, 'time'>;
  readonly #stopRefreshing: () => void;
  #name: string | undefined;
  /** When the last refresh began, in seconds by the store's clock. */
  #refreshed: number;
  /** Others may have found it stale once. */
  #lapsed = false;
  #work: Promise<void> = Promise.resolve();

  private constructor(repository: Repository, operation: string, since: Time) {
    this.#repository = repository;
    const { machine } = repository;
    const { host, user, pid } = machine;
    this.#refreshed = since.seconds;
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

  /**
   * Makes sure that nobody can have taken it for stale since it was acquired.
   *
   * @throws VarveError `locked` when somebody can
   */
  async confirm(): Promise<void> {
    const age = (await this.#repository.store.now()) - this.#refreshed;
    if (!this.#lapsed && age <= DOUBTFUL_SECONDS) return;
    const { operation } = this.#lease;
    const message = `this ${operation} was suspended, or cut off from the repository, for so long that others may have taken its place: run it again`;
    throw new VarveError('locked', message);
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
    const { store, clock } = this.#repository;
    const old = this.#name;
    const began = await store.now();
    const time = timeFromMillis(clock());
    this.#name = await putSigned(this.#repository, 'lease', encodeLease({ ...this.#lease, time }));
    if ((await store.now()) - this.#refreshed > STALE_SECONDS) this.#lapsed = true;
    this.#refreshed = began;
    if (old !== undefined && old !== this.#name) await store.remove('locks', old);
  }
}

/**
 * All leases that can be opened. A lease that is being refreshed has two names, and a listing may have neither, or the one that is gone when it is read: so they are
 * listed until nothing new comes.
 */
export async function listLeases(
  repository: Repository,
  { once = false, onUnread }: LeaseOptions = {},
): Promise<StoredLease[]> {
  const now = await repository.store.now();
  const leases = new Map<string, StoredLease | undefined>();
  for (let rounds = 0, news = true; once ? rounds < 1 : news || rounds < 2; rounds++) {
    news = false;
    for await (const { name, modified } of repository.store.list('locks')) {
      if (leases.has(name)) continue;
      news = true;
      const lease = await readLease(repository, name);
      const opened = lease instanceof VarveError ? undefined : lease;
      const age = now - (modified ?? opened?.time.seconds ?? now);
      const stale = age > STALE_SECONDS || (opened !== undefined && isDead(opened, repository.machine));
      leases.set(name, opened && { name, lease: opened, stale });
      if (lease instanceof VarveError) onUnread?.({ name, error: lease, stale });
    }
  }
  return [...leases.values()].filter((each) => each !== undefined);
}

/** The error of one that is no lease of this repository, or of an epoch that this key does not know; undefined when it is gone. */
async function readLease(repository: Repository, name: string): Promise<Lease | VarveError | undefined> {
  try {
    const { payload } = await getSigned(repository, 'lease', name);
    return decodeLease(payload, `locks/${name}`);
  } catch (cause) {
    const error = VarveError.from(cause);
    if (error.code === 'not-found') return undefined;
    if (error.code === 'damaged' || error.code === 'role') return error;
    throw error;
  }
}

function isDead(lease: Lease, machine: Machine): boolean {
  return lease.host === machine.host && !machine.isRunning(lease.pid);
}
