// The key hierarchy: epochs, roles, and the material of each (SPEC.md section 3).
// slot files store it; the other files of crypto use it.
import { equalBytes } from '../bytes/views.js';
import { VarveError } from '../errors/errors.js';
import { type CryptoEngine, hkdf } from './engine.js';
import { nativeEngine } from './native.js';

export type Role = 'append' | 'manage' | 'full';

/** The keys of one epoch that a role has; undefined for the others. */
export interface EpochKeys {
  readonly auth: Uint8Array;
  readonly index: Uint8Array;
  readonly metaPublic: Uint8Array;
  readonly metaPrivate: Uint8Array | undefined;
  readonly contentPublic: Uint8Array;
  readonly contentPrivate: Uint8Array | undefined;
  readonly rootPublic: Uint8Array;
  readonly rootSeed: Uint8Array | undefined;
  readonly master: Uint8Array | undefined;
}

/** The public root key of an epoch from 2 on, signed by the epoch before. */
export interface ChainLink {
  readonly epoch: number;
  readonly rootPublic: Uint8Array;
  readonly signature: Uint8Array;
}

/** Objects of this slot that state a time of `since` (seconds) or later do not count. */
export interface Revocation {
  readonly slot: Uint8Array;
  readonly since: number;
}

/** An opened key ring in a form that structured clone carries to a worker: only the secrets of its role. */
export interface ExportedKeys {
  readonly role: Role;
  readonly repository: Uint8Array;
  readonly id: Uint8Array;
  readonly gear: Uint8Array;
  /** Index 0 is epoch 1. */
  readonly epochs: readonly EpochKeys[];
  readonly chain: readonly ChainLink[];
  readonly revoked: readonly Revocation[];
  /** SHA-256 of the repository's `config` object; two while that is being replaced. */
  readonly configs: readonly Uint8Array[];
}

const ROLE_ORDER: Record<Role, number> = { append: 1, manage: 2, full: 3 };
const MAY: Record<Role, string> = {
  append: 'may only append',
  manage: 'may manage but not read file contents or certify keys',
  full: 'may do everything',
};

/** An opened key ring. Rotation makes another one; `learn` takes over its new keys. */
export class RepositoryKeys {
  readonly engine: CryptoEngine;
  readonly role: Role;
  readonly repository: Uint8Array;
  /** The HMAC key of blob ids. */
  readonly id: Uint8Array;
  readonly gear: Uint8Array;
  #chain: readonly ChainLink[];
  #revoked: readonly Revocation[];
  #configs: readonly Uint8Array[];
  #epochs: readonly EpochKeys[];

  constructor(state: ExportedKeys, engine: CryptoEngine) {
    this.engine = engine;
    this.role = state.role;
    this.repository = own(state.repository);
    this.id = own(state.id);
    this.gear = own(state.gear);
    this.#chain = state.chain.map((link) => ({
      ...link,
      rootPublic: own(link.rootPublic),
      signature: own(link.signature),
    }));
    this.#revoked = state.revoked.map(({ slot, since }) => ({ slot: own(slot), since }));
    this.#configs = state.configs.map(own);
    this.#epochs = state.epochs.map(ownEpoch);
    Object.freeze(this);
  }

  get chain(): readonly ChainLink[] {
    return this.#chain;
  }

  get revoked(): readonly Revocation[] {
    return this.#revoked;
  }

  get configs(): readonly Uint8Array[] {
    return this.#configs;
  }

  /** Takes over the epochs, revocations and configs of newer keys of the same slot, which must be verified: keys were rotated while this process runs. */
  learn(newer: RepositoryKeys): void {
    this.#chain = newer.#chain;
    this.#revoked = newer.#revoked;
    this.#configs = newer.#configs;
    this.#epochs = newer.#epochs;
  }

  get newestEpoch(): number {
    return this.#epochs.length;
  }

  /** `name` is the object that asks, for the message when this key is older than the object. */
  epoch(e: number, name = 'this repository'): EpochKeys {
    const keys = this.#epochs[e - 1];
    if (keys !== undefined) return keys;
    throw new VarveError(
      'role',
      `${name}: needs the key of epoch ${e}, this key knows epochs 1 to ${this.newestEpoch}: ` +
        'open the repository again; if that does not help, this key was removed or its slot is out of date',
    );
  }

  auth(e: number): Uint8Array {
    return this.epoch(e).auth;
  }
  index(e: number): Uint8Array {
    return this.epoch(e).index;
  }
  metaPublic(e: number): Uint8Array {
    return this.epoch(e).metaPublic;
  }
  metaPrivate(e: number): Uint8Array | undefined {
    return this.epoch(e).metaPrivate;
  }
  contentPublic(e: number): Uint8Array {
    return this.epoch(e).contentPublic;
  }
  contentPrivate(e: number): Uint8Array | undefined {
    return this.epoch(e).contentPrivate;
  }
  rootPublic(e: number): Uint8Array {
    return this.epoch(e).rootPublic;
  }
  rootSeed(e: number): Uint8Array | undefined {
    return this.epoch(e).rootSeed;
  }

  has(role: Role): boolean {
    return ROLE_ORDER[this.role] >= ROLE_ORDER[role];
  }

  /** `action` completes "cannot …": "list snapshots". */
  requireRole(role: Role, action: string): void {
    if (!this.has(role)) throw roleError(this.role, role, action);
  }

  /** These keys for a repository with this config. @param hash SHA-256 of the object */
  withConfig(hash: Uint8Array): RepositoryKeys {
    return new RepositoryKeys({ ...exportKeys(this), configs: [hash] }, this.engine);
  }

  /** These keys with one more revocation; it takes effect for others once slots are sealed again. */
  withRevoked(slot: Uint8Array, since: number): RepositoryKeys {
    const others = this.revoked.filter((entry) => !equalBytes(entry.slot, slot));
    return new RepositoryKeys({ ...exportKeys(this), revoked: [...others, { slot, since }] }, this.engine);
  }
}

export function roleError(held: Role, needed: Role, action: string): VarveError {
  const use = needed === 'full' ? 'a full key' : `a ${needed} or full key`;
  return new VarveError('role', `this key ${MAY[held]}: cannot ${action}; use ${use}`);
}

/** For postMessage and workerData. */
export function exportKeys(keys: RepositoryKeys): ExportedKeys {
  const epochs = [];
  for (let e = 1; e <= keys.newestEpoch; e++) epochs.push(ownEpoch(keys.epoch(e)));
  const { role, repository, id, gear, chain, revoked, configs } = keys;
  return { role, repository, id, gear, epochs, chain, revoked, configs };
}

export function importKeys(state: ExportedKeys, engine: CryptoEngine = nativeEngine): RepositoryKeys {
  return new RepositoryKeys(state, engine);
}

function own(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function ownEpoch(epoch: EpochKeys): EpochKeys {
  const { metaPrivate, contentPrivate, rootSeed, master } = epoch;
  return {
    auth: own(epoch.auth),
    index: own(epoch.index),
    metaPublic: own(epoch.metaPublic),
    metaPrivate: metaPrivate && own(metaPrivate),
    contentPublic: own(epoch.contentPublic),
    contentPrivate: contentPrivate && own(contentPrivate),
    rootPublic: own(epoch.rootPublic),
    rootSeed: rootSeed && own(rootSeed),
    master: master && own(master),
  };
}

const NO_SALT = new Uint8Array(0);

function derive(engine: CryptoEngine, master: Uint8Array, label: string): Uint8Array {
  return hkdf(engine, master, NO_SALT, `varve/1/${label}`, 32);
}

/** The three secrets of the whole repository, from M(1). */
export function deriveRepository(
  engine: CryptoEngine,
  master: Uint8Array,
): { repository: Uint8Array; id: Uint8Array; gear: Uint8Array } {
  return {
    repository: derive(engine, master, 'repository'),
    id: derive(engine, master, 'id'),
    gear: derive(engine, master, 'gear'),
  };
}

/** All of an epoch, from M(e). */
export function deriveEpoch(engine: CryptoEngine, master: Uint8Array): EpochKeys {
  const metaPrivate = derive(engine, master, 'meta');
  const contentPrivate = derive(engine, master, 'content');
  const rootSeed = derive(engine, master, 'root');
  return {
    auth: derive(engine, master, 'auth'),
    index: derive(engine, master, 'index'),
    metaPublic: engine.x25519Public(metaPrivate),
    metaPrivate,
    contentPublic: engine.x25519Public(contentPrivate),
    contentPrivate,
    rootPublic: engine.ed25519Public(rootSeed),
    rootSeed,
    master,
  };
}

/** A new repository's keys: M(1) at random, role full. They need a config before a slot can hold them. */
export function createRepositoryKeys(engine: CryptoEngine = nativeEngine): RepositoryKeys {
  const master = engine.randomBytes(32);
  const epochs = [deriveEpoch(engine, master)];
  return new RepositoryKeys(
    { role: 'full', ...deriveRepository(engine, master), epochs, chain: [], revoked: [], configs: [] },
    engine,
  );
}
