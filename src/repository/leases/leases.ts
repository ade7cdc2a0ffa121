// Leases: objects in `locks/` that say which commands are running.
// Which commands exclude each other is left to exclusive.ts.
import type { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import type { Certificate } from '../../crypto/certificate.js';
import { isRevoked } from '../../crypto/signed.js';
import { VarveError } from '../../errors/errors.js';
import { decodeLease, encodeLease, type Lease } from '../../format/lease.js';
import { type Time, timeFromMillis } from '../../time/time.js';
import type { Machine } from '../machine.js';
import { getSigned, putSigned, type Repository } from '../repository.js';

const REFRESH_MS = 5 * 60 * 1000;
const STALE_SECONDS = 30 * 60;
/** Seconds without a refresh after which a holder must not count on its lease: its next step takes time too. */
const DOUBTFUL_SECONDS = 25 * 60;

export interface StoredLease {
  readonly name: string;
  readonly lease: Lease;
  /** The slot of its holder. */
  readonly signer: Certificate;
  /** Its process is gone, or it was not refreshed for 30 minutes (SPEC.md section 13). */
  readonly stale: boolean;
}

/** A lease that cannot be opened. Its holder and its age are not known. */
export interface UnreadLease {
  readonly name: string;
  readonly error: VarveError;
  /** Written more than 30 minutes ago: a running holder would have refreshed it. */
  readonly stale: boolean;
}

export interface LeaseOptions {
  /** Lists once. Only for a caller that can do without a lease. */
  readonly once?: boolean;
  /** Gets each lease that cannot be opened. The result does not have it. */
  readonly onUnread?: (lease: UnreadLease) => void;
}

/** A lease that this process holds and refreshes. It shows other commands what is running, and by itself blocks none. */
export class HeldLease {
  readonly #repository: Repository;
  readonly #lease: Omit<Lease, 'time'>;
  readonly #stopRefreshing: () => void;
  #name: string | undefined;
  /** When the last refresh began, in seconds by the store's clock. */
  #refreshed: number;
  /** Whether others may have found it stale. */
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

  /** @throws VarveError `locked` when another command may have found the lease stale since it was acquired */
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

  /** Ignores failures: the next refresh tries again, and a caller that needs a valid lease calls `confirm`. */
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
 * All leases that can be opened, but those of revoked slots, whatever time they state. While a lease is refreshed it has two objects, and a listing may have neither, or one that is gone
 * before it is read. So this lists until a listing has nothing new.
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
      const age = now - (modified ?? opened?.lease.time.seconds ?? now);
      const stale = age > STALE_SECONDS || (opened !== undefined && isDead(opened.lease, repository.machine));
      leases.set(name, opened && { name, ...opened, stale });
      if (lease instanceof VarveError) onUnread?.({ name, error: lease, stale });
    }
  }
  return [...leases.values()].filter((each) => each !== undefined);
}

/**
 * The error of an object that is no lease of this repository, or of an epoch that this key does not know; undefined when it is gone or of a
 * revoked slot.
 */
async function readLease(
  repository: Repository,
  name: string,
): Promise<Pick<StoredLease, 'lease' | 'signer'> | VarveError | undefined> {
  try {
    const { payload, certificate: signer } = await getSigned(repository, 'lease', name);
    if (isRevoked(repository.keys, signer.slot)) return undefined;
    return { lease: decodeLease(payload, `locks/${name}`), signer };
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
