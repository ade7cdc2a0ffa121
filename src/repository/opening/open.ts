// Opens and makes repositories.
// Finding the key slot that fits is left to keys/open-slot.ts, the location of the store to the caller.
import type { Buffer } from 'node:buffer';
import { toHex } from '../../bytes/hex.js';
import { asBuffer, equalBytes } from '../../bytes/views.js';
import { loadZstd } from '../../compression/engine.js';
import { createRepositoryKeys, type RepositoryKeys } from '../../crypto/hierarchy.js';
import { nativeEngine } from '../../crypto/native.js';
import { openObject, sealObject } from '../../crypto/sealed.js';
import type { Identity } from '../../crypto/signed.js';
import { createSlot, type OpenedSlot } from '../../crypto/slot.js';
import { calibrateLogN, type Unlock } from '../../crypto/slot-file.js';
import { VarveError } from '../../errors/errors.js';
import { type Config, decodeConfig, encodeConfig, type Sizes } from '../../format/config.js';
import { CacheDirectory } from '../../storage/cached/cache-directory.js';
import { CachedStore } from '../../storage/cached/cached-store.js';
import type { Store } from '../../storage/store.js';
import { timeFromMillis } from '../../time/time.js';
import { BadCopies } from '../bad-copies.js';
import { openCurrentSlot, readCandidates } from '../keys/open-slot.js';
import { LocalState } from '../local-state.js';
import { thisMachine } from '../machine.js';
import { gearOf, objectName, type Repository } from '../repository.js';
import { KnownLocation } from './known-location.js';
import { missingRepository, refuseUnmounted } from './missing-repository.js';

/** Chunk sizes in bytes; docs/chunking.md has the measurements behind them. */
export const DATA_SIZES: Sizes = { min: 64 * 1024, average: 256 * 1024, max: 1024 * 1024 };
export const TREE_SIZES: Sizes = { min: 16 * 1024, average: 64 * 1024, max: 256 * 1024 };

export interface OpenOptions {
  readonly unlock: Unlock;
  /** Directory of the cache; undefined to remember nothing. */
  readonly cacheDirectory?: string | undefined;
  /** Gets warnings, after which the repository opens all the same. */
  readonly onWarning?: ((text: string) => void) | undefined;
  /** Gets a notice when opening takes long. */
  readonly onNotice?: ((text: string) => void) | undefined;
  /** The beginning of a key slot's id, or of its object's name. Only matching slots are tried. */
  readonly keyHint?: string | undefined;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

export interface InitOptions extends OpenOptions {
  readonly user: string;
  readonly host: string;
  readonly data?: Sizes;
  /** A repository whose chunk sizes and chunker secret are taken, so that snapshots copied from it deduplicate. */
  readonly cutLike?: Pick<Repository, 'config' | 'keys'> | undefined;
  /** Percent of each pack that its parity can heal, up to 100. The default is no parity. */
  readonly parity?: number | undefined;
  /** log2 of scrypt's N. By default it is calibrated to this machine. */
  readonly logN?: number;
}

/**
 * Makes a repository with one `full` key slot.
 *
 * @throws VarveError `repository-exists`
 */
export async function initRepository(store: Store, options: InitOptions): Promise<Repository> {
  await refuseExisting(store);
  return initUnchecked(store, options);
}

/** `initRepository` for a caller that has called `refuseExisting`, before it asked for a password. */
export async function initUnchecked(store: Store, options: InitOptions): Promise<Repository> {
  await loadZstd();
  const clock = options.clock ?? Date.now;
  const bare = createRepositoryKeys();
  const created = timeFromMillis(clock());
  const repository = asBuffer(bare.repository);
  const config = encodeConfig({ repository, created, ...chunkingOf(options), parity: options.parity ?? 0 });
  const sealed = sealObject(bare, 'config', config, { epoch: 1 });
  const keys = bare.withConfig(bare.engine.sha256(sealed));
  const slot = await createSlot(keys, {
    role: 'full',
    unlock: options.unlock,
    user: options.user,
    host: options.host,
    created: created.seconds,
    ...(await costOf(options)),
  });
  await store.create();
  // Writes the slot first: a config without a key would be a repository that no one can open.
  const slotName = objectName(slot.bytes);
  await store.put('keys', slotName, [slot.bytes]);
  try {
    await store.put('config', 'config', [sealed]);
  } catch (cause) {
    const isTaken = cause instanceof VarveError && cause.code === 'exists';
    await undoInit(store, isTaken ? undefined : sealed, slotName).catch(() => undefined);
    throw isTaken ? alreadyThere(store) : cause;
  }
  const cache = openCache(options);
  new KnownLocation(store, cache).note(toHex(slot.slotId));
  return assemble(store, { keys, identity: slot.identity }, asBuffer(sealed), options, cache);
}

/** A key file is not hashed: measuring this machine for it would take a fifth of a second for nothing. */
async function costOf({ logN, unlock }: InitOptions): Promise<{ readonly logN?: number }> {
  if ('keyFile' in unlock) return {};
  return { logN: logN ?? (await calibrateLogN(nativeEngine)) };
}

/**
 * Removes what a failed init has written, so that it can be run again. Its config may exist although writing it failed. While that is
 * not known the slot stays, because no one could open the repository without it.
 *
 * @param config undefined when another init wrote the config
 */
async function undoInit(store: Store, config: Uint8Array | undefined, slotName: string): Promise<void> {
  if (config !== undefined && (await isConfig(store, config)))
    await store.remove('config', 'config').catch(async (cause) => {
      if (await isConfig(store, config)) throw cause;
    });
  await store.remove('keys', slotName);
}

async function isConfig(store: Store, config: Uint8Array): Promise<boolean> {
  try {
    return equalBytes(await store.get('config', 'config'), config);
  } catch (cause) {
    if (cause instanceof VarveError && cause.code === 'not-found') return false;
    throw cause;
  }
}

function chunkingOf({ data = DATA_SIZES, cutLike }: InitOptions): Pick<Config, 'data' | 'tree' | 'gear'> {
  if (cutLike === undefined) return { data, tree: TREE_SIZES, gear: undefined };
  return { data: cutLike.config.data, tree: cutLike.config.tree, gear: asBuffer(gearOf(cutLike)) };
}

/** @throws VarveError `repository-exists` */
export async function refuseExisting(store: Store): Promise<void> {
  if ((await store.stat('config', 'config')) !== undefined) throw alreadyThere(store);
}

function alreadyThere(store: Store): VarveError {
  return new VarveError(
    'repository-exists',
    `${store.location}: config file already exists: there is a repository already`,
  );
}

/**
 * Opens a repository with a password or a key file.
 *
 * @throws VarveError `no-repository`, `wrong-password`, or `damaged`
 */
export async function openRepository(store: Store, options: OpenOptions): Promise<Repository> {
  const cache = openCache(options);
  const location = new KnownLocation(store, cache);
  const config = readConfig(store, location);
  // Fetches the key slots at the same time.
  const candidates = readCandidates(store, options);
  const [, keys] = await Promise.allSettled([config, candidates]);
  // A missing config is reported first, unless the keys cannot be listed either: rclone calls everything missing that it fails to get.
  const unreachable = keys.status === 'rejected' && ['storage', 'denied'].includes(VarveError.from(keys.reason).code);
  const sealed = await config.catch((cause) => {
    throw unreachable && cause.code === 'no-repository' ? keys.reason : cause;
  });
  const seenEpoch = ({ keys, identity }: OpenedSlot): number => epochSeen(localState(keys, identity, cache));
  const slotOptions = { ...options, preferred: location.slot };
  const opening = openCurrentSlot(
    store,
    await candidates,
    slotOptions,
    (slot) => seenEpoch(slot) > slot.keys.newestEpoch,
  );
  // Loads native code while scrypt hashes the password.
  const [early] = await Promise.all([opening, loadZstd()]);
  // Another process may note a newer epoch at any time. Only keys that are listed after this one was noted can be called old.
  const seen = seenEpoch(early);
  const isOld = ({ keys }: OpenedSlot): boolean => seen > keys.newestEpoch;
  const opened = isOld(early)
    ? await openCurrentSlot(store, await readCandidates(store, options), slotOptions, isOld)
    : early;
  if (isOld(opened)) throw rolledBack(store, opened.keys.newestEpoch, seen);
  location.note(toHex(opened.identity.slot));
  return assemble(store, opened, sealed, options, cache);
}

/** @throws VarveError `no-repository` */
export async function requireRepository(
  store: Store,
  options: Pick<OpenOptions, 'cacheDirectory'> = {},
): Promise<void> {
  await readConfig(store, new KnownLocation(store, openCache(options)));
}

/** @throws VarveError `usage` when a repository would be made in the empty mount point of a disk */
export function refuseMissingDisk(store: Store, options: Pick<OpenOptions, 'cacheDirectory'>): void {
  refuseUnmounted(store, new KnownLocation(store, openCache(options)));
}

/** @throws VarveError `no-repository` */
async function readConfig(store: Store, known: KnownLocation): Promise<Buffer> {
  try {
    return await store.get('config', 'config');
  } catch (cause) {
    if (!(cause instanceof VarveError) || cause.code !== 'not-found') throw cause;
    throw missingRepository(store, known, cause);
  }
}

/** Undefined when there shall be no cache, or when other users could write to it. */
function openCache({
  cacheDirectory,
  onWarning,
}: Pick<OpenOptions, 'cacheDirectory' | 'onWarning'>): CacheDirectory | undefined {
  if (cacheDirectory === undefined) return undefined;
  return CacheDirectory.open(cacheDirectory, (problem) =>
    onWarning?.(`the cache is not used: ${problem}; use another directory with --cache-dir, or none with --no-cache`),
  );
}

function assemble(
  store: Store,
  opened: OpenedSlot,
  sealed: Buffer,
  options: OpenOptions,
  cache: CacheDirectory | undefined,
): Repository {
  const { keys, identity } = opened;
  const hash = keys.engine.sha256(sealed);
  if (!keys.configs.some((own) => equalBytes(own, hash))) throw foreignConfig(store);
  const { plaintext } = openObject(keys, 'config', sealed, 'config');
  const config = decodeConfig(plaintext);
  if (!equalBytes(config.repository, keys.repository)) {
    throw new VarveError('damaged', 'config: belongs to another repository than the key');
  }
  const directory = cache?.within(toHex(keys.repository));
  const local = localState(keys, identity, cache);
  if (keys.newestEpoch > epochSeen(local)) local.write('epoch', keys.newestEpoch);
  return {
    store: directory === undefined ? store : new CachedStore(store, directory),
    keys,
    identity,
    config,
    local,
    badCopies: new BadCopies(options.onWarning),
    clock: options.clock ?? Date.now,
    machine: thisMachine,
  };
}

/** Every key ever given out can seal a config, so its seal does not say that it is the repository's own. */
function foreignConfig({ location }: Store): VarveError {
  return new VarveError(
    'damaged',
    `${location}: config: it is not the one that the keys of this repository name: it is damaged, or someone has put another in its place; put it back from another copy of the repository`,
  );
}

function localState(keys: RepositoryKeys, identity: Identity, cache: CacheDirectory | undefined): LocalState {
  const directory = cache?.within(toHex(keys.repository));
  return new LocalState(directory?.within(`slot-${toHex(identity.slot)}`), identity, keys.engine);
}

/** The newest epoch that this machine has seen, or 0. */
function epochSeen(local: LocalState): number {
  const seen = local.read('epoch');
  return typeof seen === 'number' ? seen : 0;
}

/** Old key slots that someone puts back would make this machine write for a removed key (SPEC.md section 4). */
function rolledBack(store: Store, epoch: number, seen: number): VarveError {
  return new VarveError(
    'damaged',
    `${store.location}: its keys are of epoch ${epoch}, but epoch ${seen} was seen here before: someone has put back old keys`,
  );
}
