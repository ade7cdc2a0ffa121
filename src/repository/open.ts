import type { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import pLimit from 'p-limit';
import { toHex } from '../bytes/hex.js';
import { asBuffer, equalBytes } from '../bytes/views.js';
import { createRepositoryKeys } from '../crypto/hierarchy.js';
import { nativeEngine } from '../crypto/native.js';
import { openObject, sealObject } from '../crypto/sealed.js';
import { createSlot, type OpenedSlot, openSlot, slotEpochIn, slotIdIn, slotProtection } from '../crypto/slot.js';
import { calibrateLogN, type Unlock } from '../crypto/slot-file.js';
import { VarveError } from '../errors/errors.js';
import { type Config, decodeConfig, encodeConfig, type Sizes } from '../format/config.js';
import { timeFromMillis } from '../format/time.js';
import { CachedStore } from '../storage/cached/cached-store.js';
import { makeFolders } from '../storage/make-folders.js';
import type { Store } from '../storage/store.js';
import { LocalState } from './local-state.js';
import { thisMachine } from './machine.js';
import { fetchObject, gearOf, objectName, type Repository } from './repository.js';

/** Chunk sizes in bytes; docs/chunking.md has the measurements behind them. */
export const DATA_SIZES: Sizes = { min: 64 * 1024, average: 256 * 1024, max: 1024 * 1024 };
export const TREE_SIZES: Sizes = { min: 16 * 1024, average: 64 * 1024, max: 256 * 1024 };

/** Key slots fetched at a time. */
const PARALLEL = 8;

export interface OpenOptions {
  readonly unlock: Unlock;
  /** Folder for what this machine remembers of repositories; undefined to remember nothing. */
  readonly cacheFolder?: string | undefined;
  /** A key slot's id or its beginning: the only one that is tried. */
  readonly keyHint?: string | undefined;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

export interface InitOptions extends OpenOptions {
  readonly user: string;
  readonly host: string;
  readonly data?: Sizes;
  /** The repository beside which this one shall cut, so that what is copied from it deduplicates. */
  readonly cutLike?: Pick<Repository, 'config' | 'keys'> | undefined;
  /** Percent of each pack that its parity shall be able to heal, up to 100; none when it is not given. */
  readonly parity?: number | undefined;
  /** log2 of scrypt's N; calibrated to this machine when it is not given. */
  readonly logN?: number;
}

/**
 * Makes a repository with one `full` key slot.
 *
 * @throws VarveError `repository-exists`
 */
export async function initRepository(store: Store, options: InitOptions): Promise<Repository> {
  await refuseExisting(store);
  return initAbsent(store, options);
}

/** The same where `refuseExisting` has been asked: so that nobody is asked for a password in vain. */
export async function initAbsent(store: Store, options: InitOptions): Promise<Repository> {
  const clock = options.clock ?? Date.now;
  const keys = createRepositoryKeys();
  const created = timeFromMillis(clock());
  const slot = await createSlot(keys, {
    role: 'full',
    unlock: options.unlock,
    user: options.user,
    host: options.host,
    created: created.seconds,
    logN: options.logN ?? (await calibrateLogN(nativeEngine)),
  });
  const repository = asBuffer(keys.repository);
  const config = encodeConfig({ repository, created, ...chunkingOf(options), parity: options.parity ?? 0 });
  const sealed = sealObject(keys, 'config', config, { epoch: 1 });
  await store.create();
  // The slot first: a config without a key would be a repository that nobody can open.
  const slotName = objectName(slot.bytes);
  await store.put('keys', slotName, [slot.bytes]);
  try {
    await store.put('config', 'config', [sealed]);
  } catch (cause) {
    await store.remove('keys', slotName);
    throw cause instanceof VarveError && cause.code === 'exists' ? alreadyThere(store) : cause;
  }
  return assemble(store, { keys, identity: slot.identity }, asBuffer(sealed), options);
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
  const config = readConfig(store);
  // The key slots come meanwhile.
  const candidates = readCandidates(store, options);
  const [, keys] = await Promise.allSettled([config, candidates]);
  // That there is no repository is told first, unless nothing can be seen there at all: rclone calls everything missing that it fails to get.
  const blind = keys.status === 'rejected' && ['storage', 'denied'].includes(VarveError.from(keys.reason).code);
  const sealed = await config.catch((cause) => {
    throw blind && cause.code === 'no-repository' ? keys.reason : cause;
  });
  const opened = await openAnySlot(store, await candidates, options);
  return assemble(store, opened, sealed, options);
}

/** @throws VarveError `no-repository` */
export async function requireRepository(store: Store): Promise<void> {
  await readConfig(store);
}

/** @throws VarveError `no-repository` */
async function readConfig(store: Store): Promise<Buffer> {
  try {
    return await store.get('config', 'config');
  } catch (cause) {
    if (!(cause instanceof VarveError) || cause.code !== 'not-found') throw cause;
    throw new VarveError(
      'no-repository',
      `${store.location}: there is no repository here (config is missing); \`varve init\` makes one`,
      { cause },
    );
  }
}

function assemble(store: Store, opened: OpenedSlot, sealed: Buffer, options: OpenOptions): Repository {
  const { keys, identity } = opened;
  const { plaintext } = openObject(keys, 'config', sealed, 'config');
  const config = decodeConfig(plaintext);
  if (!equalBytes(config.repository, keys.repository)) {
    throw new VarveError('damaged', 'config: belongs to another repository than the key');
  }
  const folder = options.cacheFolder && join(options.cacheFolder, toHex(keys.repository));
  const local = new LocalState(folder && join(folder, `slot-${toHex(identity.slot)}`), identity, keys.engine);
  refuseRollback(local, keys.newestEpoch, store);
  return {
    store: folder === undefined ? store : new CachedStore(store, folder),
    keys,
    identity,
    config,
    local,
    clock: options.clock ?? Date.now,
    machine: thisMachine,
  };
}

/** SPEC.md section 4: old key slots put back would make this machine write for a key that was removed. */
function refuseRollback(local: LocalState, epoch: number, store: Store): void {
  const seen = local.read('epoch');
  if (typeof seen === 'number' && seen > epoch) {
    throw new VarveError(
      'damaged',
      `${store.location}: its keys are of epoch ${epoch}, but epoch ${seen} was seen here before: somebody has put old keys back`,
    );
  }
  if (seen !== epoch) local.write('epoch', epoch);
}

/** Tries the slot that worked here last, then the others; of several objects of one slot the newest epoch first. */
async function openAnySlot(
  store: Store,
  { candidates, failures }: { readonly candidates: Candidate[]; readonly failures: VarveError[] },
  options: OpenOptions,
): Promise<OpenedSlot> {
  const last = lastSlotFile(store, options.cacheFolder);
  const preferred = last && readText(last);
  const order = (a: Candidate, b: Candidate): number =>
    Number(b.slot === preferred) - Number(a.slot === preferred) ||
    (a.slot < b.slot ? -1 : a.slot > b.slot ? 1 : b.epoch - a.epoch);
  for (const candidate of candidates.sort(order)) {
    const opened = await tryToOpen(candidate, options, failures);
    if (opened === undefined) continue;
    if (last !== undefined && candidate.slot !== preferred) writeText(last, candidate.slot);
    return opened;
  }
  const [failure] = failures;
  if (failure !== undefined) throw failure;
  const what = 'password' in options.unlock ? 'wrong password' : 'wrong key file';
  const hint = options.keyHint === undefined ? '' : ` for a key whose id begins with ${options.keyHint}`;
  throw new VarveError('wrong-password', `${store.location}: ${what}, or no key found${hint}`);
}

/** An object in `keys/` that may be opened. */
interface Candidate {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Hex. */
  readonly slot: string;
  readonly epoch: number;
}

async function readCandidates(
  store: Store,
  options: OpenOptions,
): Promise<{ candidates: Candidate[]; failures: VarveError[] }> {
  const failures: VarveError[] = [];
  const names: string[] = [];
  for await (const { name } of store.list('keys')) names.push(name);
  if (names.length === 0)
    throw new VarveError('damaged', `${store.location}: no key slots: keys/ is empty or cannot be listed`);
  const limit = pLimit(PARALLEL);
  const read = await Promise.all(names.map((name) => limit(() => readCandidate(store, name, options, failures))));
  return { candidates: read.filter((candidate) => candidate !== undefined), failures };
}

async function readCandidate(
  store: Store,
  name: string,
  options: OpenOptions,
  failures: VarveError[],
): Promise<Candidate | undefined> {
  try {
    const path = `keys/${name}`;
    const bytes = await fetchObject(store, 'keys', name);
    const wanted = 'password' in options.unlock ? 'scrypt' : 'keyfile';
    if (slotProtection(bytes, path).kind !== wanted) return undefined;
    const slot = slotIdIn(bytes, path);
    if (!isHinted(options.keyHint, name, slot)) return undefined;
    return { name, bytes, slot: toHex(slot), epoch: slotEpochIn(bytes, path) };
  } catch (cause) {
    return tolerate(cause, failures);
  }
}

async function tryToOpen(
  { name, bytes }: Candidate,
  options: OpenOptions,
  failures: VarveError[],
): Promise<OpenedSlot | undefined> {
  try {
    return await openSlot(bytes, options.unlock, `keys/${name}`);
  } catch (cause) {
    return tolerate(cause, failures);
  }
}

/** A slot that is damaged, gone or another's is passed over. */
function tolerate(cause: unknown, failures: VarveError[]): undefined {
  const error = VarveError.from(cause);
  if (error.code === 'damaged') failures.push(error);
  else if (error.code !== 'wrong-password' && error.code !== 'not-found') throw error;
  return undefined;
}

/** The hint may be of the slot's id, which stays, or of its object's name, which changes with its password. */
function isHinted(hint: string | undefined, name: string, slot: Uint8Array): boolean {
  return hint === undefined || name.startsWith(hint) || toHex(slot).startsWith(hint);
}

/** Where this machine notes which key slot opened the repository at this place. */
function lastSlotFile(store: Store, cacheFolder: string | undefined): string | undefined {
  if (cacheFolder === undefined) return undefined;
  const place = createHash('sha256').update(store.location).digest('hex').slice(0, 32);
  return join(cacheFolder, 'last-key', place);
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function writeText(path: string, text: string): void {
  try {
    makeFolders(dirname(path), 0o700);
    writeFileSync(path, text, { mode: 0o600 });
  } catch {
    // Without a cache the slots are tried one after another.
  }
}
