// The open repository, and its signed and sealed objects.
// Opening it is left to opening/, what the objects say to format/.
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { asBuffer, u32 } from '../bytes/views.js';
import { compress, compressBound, decompress } from '../compression/zstd.js';
import type { RepositoryKeys } from '../crypto/hierarchy.js';
import { openObject, sealObject } from '../crypto/sealed.js';
import { type Identity, type OpenedSigned, openSigned, type SignedKind, signPayload } from '../crypto/signed.js';
import { openNewerKeys } from '../crypto/slot.js';
import { VarveError } from '../errors/errors.js';
import type { Config } from '../format/config.js';
import { MAX_SEALED_PLAINTEXT } from '../format/limits.js';
import { CachedStore } from '../storage/cached/cached-store.js';
import { type ObjectType, objectPath, type Store } from '../storage/store.js';
import type { BadCopyReport } from './bad-copies.js';
import { keyNames } from './key-names.js';
import type { LocalState } from './local-state.js';
import type { Machine } from './machine.js';

/** A repository that was opened with a key. Every operation starts from it. */
export interface Repository {
  readonly store: Store;
  readonly keys: RepositoryKeys;
  /** The slot that opened it. It signs everything that is written. */
  readonly identity: Identity;
  readonly config: Config;
  /** What this machine remembers of it. Safe to lose. */
  readonly local: LocalState;
  /** Gets copies of blobs that cannot be used where another can. */
  readonly badCopies: BadCopyReport;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly machine: Machine;
}

/** The secret of the repository's chunkers. `init --copy-chunker-params` takes it from another repository (SPEC.md section 7). */
export function gearOf({ config, keys }: Pick<Repository, 'config' | 'keys'>): Uint8Array {
  return config.gear ?? keys.gear;
}

/** The same repository without its cache. */
export function uncached(repository: Repository): Repository {
  const { store } = repository;
  return store instanceof CachedStore ? { ...repository, store: store.origin } : repository;
}

/** Signed kinds that are objects of their own. A pack directory is a part of its pack. */
type StoredKind = Exclude<SignedKind, 'directory'>;

const DIRECTORIES: Record<StoredKind, ObjectType> = { index: 'index', snapshot: 'snapshots', lease: 'locks' };

/** For index objects and snapshots: mostly ids, which do not compress. */
const COMPRESSION = { level: 1 };

/** The SHA-256 of an object's bytes: its name. */
export function objectName(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Fetches a whole object and checks that its name is its hash. */
export async function fetchObject(store: Store, type: ObjectType, name: string): Promise<Buffer> {
  const bytes = await store.get(type, name);
  if (objectName(bytes) !== name) {
    throw new VarveError(
      'damaged',
      `${objectPath(type, name)}: its content does not match its name; run \`varve check\``,
    );
  }
  return bytes;
}

/**
 * Signs, seals and stores a payload (SPEC.md sections 5 and 6).
 *
 * @returns the object's name, once it is durable
 */
export async function putSigned(repository: Repository, kind: StoredKind, payload: Uint8Array): Promise<string> {
  const { store } = repository;
  const { name, bytes } = sealSigned(repository, kind, payload);
  try {
    await store.put(DIRECTORIES[kind], name, [bytes]);
  } catch (cause) {
    // The object may exist without being durable. Nothing relies on a snapshot or a lease yet, so a failed write leaves none.
    if (kind !== 'index') await store.remove(DIRECTORIES[kind], name).catch(() => undefined);
    throw cause;
  }
  return name;
}

/** Signs and seals a payload without storing it. */
export function sealSigned(
  { keys, identity }: Repository,
  kind: StoredKind,
  payload: Uint8Array,
): { readonly name: string; readonly bytes: Uint8Array } {
  const signed = signPayload(keys, identity, kind, keys.newestEpoch, payload);
  const bytes = sealObject(keys, kind, deflate(signed), { compressed: true });
  return { name: objectName(bytes), bytes };
}

/** Fetches and opens a signed object. The caller checks revocation, which needs the payload's time. */
export async function getSigned(repository: Repository, kind: StoredKind, name: string): Promise<OpenedSigned> {
  const type = DIRECTORIES[kind];
  const path = objectPath(type, name);
  const sealed = await fetchObject(repository.store, type, name);
  const open = (): OpenedSigned => {
    const { epoch, compressed, plaintext } = openObject(repository.keys, kind, sealed, path);
    const bytes = compressed ? inflate(asBuffer(plaintext), path) : plaintext;
    return openSigned(repository.keys, kind, epoch, bytes, path);
  };
  try {
    return open();
  } catch (cause) {
    // The object may be newer than a rotation of the keys.
    if (!(cause instanceof VarveError && cause.code === 'role') || !(await renewKeys(repository))) throw cause;
    return open();
  }
}

/** Learns newer epochs from the open key slot, if its object was replaced. @returns whether the keys know more epochs now */
export async function renewKeys({ store, keys, identity }: Repository): Promise<boolean> {
  const before = keys.newestEpoch;
  for (const name of await keyNames(store)) {
    try {
      const newer = openNewerKeys({ keys, identity }, await fetchObject(store, 'keys', name), `keys/${name}`);
      if (newer !== undefined) keys.learn(newer);
    } catch (cause) {
      const { code } = VarveError.from(cause);
      if (code !== 'not-found' && code !== 'damaged') throw cause;
    }
  }
  return keys.newestEpoch > before;
}

function deflate(bytes: Uint8Array): Buffer {
  const compressed = compress(bytes, COMPRESSION, compressBound(bytes.length));
  if (compressed === undefined) throw new VarveError('internal', 'compression failed');
  return Buffer.concat([u32(bytes.length), compressed]);
}

function inflate(plaintext: Buffer, path: string): Buffer {
  const length = plaintext.length < 4 ? 0 : plaintext.readUInt32LE(0);
  if (length === 0 || length > MAX_SEALED_PLAINTEXT) throw new VarveError('damaged', `${path}: states a wrong length`);
  return decompress(plaintext.subarray(4), length, path);
}
