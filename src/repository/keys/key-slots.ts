// Lists, adds, removes and rotates the key slots of an open repository.
// Finding the slot that a password opens is left to open-slot.ts, the cryptography to crypto/.
import { toHex } from '../../bytes/hex.js';
import { asArray, asText, asUint } from '../../bytes/msgpack.js';
import { equalBytes } from '../../bytes/views.js';
import type { RepositoryKeys, Role } from '../../crypto/hierarchy.js';
import {
  type Card,
  createSlot,
  readCard,
  resealSlot,
  rewrapSlot,
  rotateKeys,
  type SlotChange,
  slotProtection,
  type Unlock,
} from '../../crypto/slot.js';
import { isUnreadable, VarveError } from '../../errors/errors.js';
import { keyNames, listKeys } from '../key-names.js';
import { fetchObject, objectName, type Repository, renewKeys } from '../repository.js';

/** The name of this machine's note that a rotation runs, so that it can be resumed after a crash. */
const ROTATION = 'rotation';

/** A key slot: a person's or a machine's way into the repository. */
export interface KeySlot {
  /** 32 hex digits. Stays the same when the password is changed or keys are rotated. */
  readonly id: string;
  /** Name of the object in `keys/`. Every change gives it a new one. */
  readonly name: string;
  readonly role: Role;
  readonly user: string;
  readonly host: string;
  /** The hosts that its snapshots may be of; undefined for any. */
  readonly hosts: readonly string[] | undefined;
  /** Seconds since 1970. */
  readonly created: number;
  /** The newest epoch whose secrets it has. Older than the repository's when a rotation left it out. */
  readonly epoch: number;
  readonly opensWith: 'password' | 'key file';
  /** Whether it opened the repository. */
  readonly current: boolean;
}

export interface KeySlotList {
  /** Oldest first. */
  readonly slots: readonly KeySlot[];
  /** The objects that could not be read, with the reason. */
  readonly failures: readonly { readonly name: string; readonly error: VarveError }[];
}

interface ReadSlot {
  readonly slot: KeySlot;
  readonly card: Card;
  readonly bytes: Uint8Array;
}

/** All key slots. Any role may list them. */
export async function listKeySlots(repository: Repository): Promise<KeySlotList> {
  let { read, failures } = await readSlots(repository, await listKeys(repository.store));
  // The keys may have been rotated since the repository was opened: then this key's own slot has the new secrets.
  if (failures.some(({ error }) => error.code === 'role') && (await renewKeys(repository)))
    ({ read, failures } = await readSlots(repository, await keyNames(repository.store)));
  return { slots: newestOfEach(read).map(({ slot }) => slot), failures };
}

export interface NewKey {
  readonly role: Role;
  readonly unlock: Unlock;
  readonly user: string;
  readonly host: string;
  /** The hosts that its snapshots may be of. By default an append key is for `host` only, other keys for any. */
  readonly hosts?: readonly string[] | 'any' | undefined;
  /** log2 of scrypt's N. */
  readonly logN?: number;
}

/** Adds a key. Needs a full key. */
export async function addKeySlot(repository: Repository, key: NewKey): Promise<KeySlot> {
  const created = Math.floor(repository.clock() / 1000);
  const { hosts = key.role === 'append' ? [key.host] : 'any' } = key;
  const { bytes } = await createSlot(repository.keys, { ...key, hosts: hosts === 'any' ? undefined : hosts, created });
  const name = objectName(bytes);
  await repository.store.put('keys', name, [bytes]);
  return describe(repository, name, bytes).slot;
}

export interface RemoveOptions {
  /** Seconds since 1970. Everything that the key wrote from then on is ignored. The default is now. */
  readonly ignoreSince?: number;
  /** Also removes the key that opened the repository. */
  readonly force?: boolean;
}

/**
 * Removes a key. The remaining keys note to ignore everything that it writes from now on (or wrote since a date). The removed key still
 * knows its secrets: `rotateKeySlots` gives new ones to the others. Needs a full key.
 *
 * @throws VarveError `not-found`, `ambiguous`; `usage` for the key in use and for the last full key
 */
export async function removeKeySlot(repository: Repository, id: string, options: RemoveOptions = {}): Promise<KeySlot> {
  repository.keys.requireRole('full', 'remove keys');
  // Every remaining key must note the removal, so all of them must be readable.
  const read = await readEverySlot(repository);
  const { slot, card } = chooseSlot(newestOfEach(read), id);
  if (slot.current && options.force !== true) {
    throw new VarveError(
      'usage',
      `key ${slot.name} is the one in use; open the repository with another, or use --force`,
    );
  }
  const remaining = read.filter((each) => each.slot.id !== slot.id);
  if (!remaining.some((each) => each.slot.role === 'full')) {
    throw new VarveError(
      'usage',
      `key ${slot.name} is the last full key: without it nothing could ever be restored; add another one first`,
    );
  }
  const since = options.ignoreSince ?? Math.ceil(repository.clock() / 1000);
  await resealAll(repository, repository.keys.withRevoked(card.slot, since), remaining);
  for (const each of read) if (each.slot.id === slot.id) await repository.store.remove('keys', each.slot.name);
  return slot;
}

/** Gives the key that opened the repository a new password or key file, and a new owner if one is given. */
export async function changePassword(
  repository: Repository,
  unlock: Unlock,
  change: SlotChange = {},
): Promise<KeySlot> {
  const read = await readEverySlot(repository);
  const own = newestOfEach(read).find(({ slot }) => slot.current);
  if (own === undefined) throw new VarveError('not-found', 'the key that opened the repository has been removed since');
  const { id, name } = own.slot;
  const bytes = await rewrapSlot(repository, own.bytes, unlock, `keys/${name}`, change);
  // Replaces all objects of the slot: one that an interrupted change left would still open with an old password.
  const old = read.filter(({ slot }) => slot.id === id).map(({ slot }) => slot.name);
  await replace(repository, old, bytes).catch((cause) => {
    const { code, message } = VarveError.from(cause, 'storage');
    throw code === 'denied'
      ? new VarveError(code, `${message}; the old password still opens the repository`, { cause })
      : cause;
  });
  return describe(repository, objectName(bytes), bytes).slot;
}

export interface Rotation {
  readonly epoch: number;
  /** Whether it completed a rotation that was interrupted. */
  readonly resumed: boolean;
  readonly slots: readonly KeySlot[];
  /** Keys that got no new secrets, with the reason: an earlier rotation had left them out. */
  readonly leftOut: readonly { readonly slot: KeySlot; readonly reason: string }[];
}

/**
 * Gives the repository new secrets, and seals them to every remaining key, without their passwords. New objects use them. Stored
 * objects stay as they are, readable for the same keys as before. Needs a full key.
 */
export async function rotateKeySlots(repository: Repository): Promise<Rotation> {
  repository.keys.requireRole('full', 'rotate keys');
  const { read, failures } = await readSlots(repository, await keyNames(repository.store));
  const [failure] = failures;
  if (failure !== undefined) throw failure.error;
  const unfinished = unfinishedRotation(repository, read);
  const keys = unfinished === undefined ? rotateKeys(repository.keys) : repository.keys;
  const wanted = unfinished ?? newestOfEach(read);
  const usable = wanted.filter(({ slot }) => slot.epoch >= keys.newestEpoch - 1);
  if (unfinished === undefined) repository.local.write(ROTATION, [keys.newestEpoch, usable.map(({ slot }) => slot.id)]);
  const { sealed, leftOut } = await resealAll(repository, keys, wanted);
  const ids = new Set(sealed.map((slot) => slot.id));
  for (const { slot } of read)
    if (ids.has(slot.id) && slot.epoch < keys.newestEpoch) await repository.store.remove('keys', slot.name);
  repository.local.write('epoch', keys.newestEpoch);
  repository.local.write(ROTATION, null);
  return { epoch: keys.newestEpoch, resumed: unfinished !== undefined, slots: sealed, leftOut };
}

/**
 * Slots that an interrupted rotation on this machine had not reached. Only its own note counts: an old slot may be one that was
 * removed, and that someone with access to the storage has put back.
 */
function unfinishedRotation(repository: Repository, read: readonly ReadSlot[]): ReadSlot[] | undefined {
  const noted = repository.local.read(ROTATION);
  if (!Array.isArray(noted)) return undefined;
  const [epoch, ids] = asArray(noted, 2, ROTATION);
  if (asUint(epoch, Number.MAX_SAFE_INTEGER, ROTATION) !== repository.keys.newestEpoch) return undefined;
  const wanted = new Set(asArray(ids, undefined, ROTATION).map((id) => asText(id, ROTATION)));
  const behind = newestOfEach(read).filter(
    ({ slot }) => wanted.has(slot.id) && slot.epoch < repository.keys.newestEpoch,
  );
  return behind.length === 0 ? undefined : behind;
}

/** Seals these keys to every slot: to the one in use first, so that an interrupted command can be resumed with it. */
async function resealAll(
  repository: Repository,
  keys: RepositoryKeys,
  read: readonly ReadSlot[],
): Promise<{ sealed: KeySlot[]; leftOut: { slot: KeySlot; reason: string }[] }> {
  const sealed: KeySlot[] = [];
  const leftOut: { slot: KeySlot; reason: string }[] = [];
  const ordered = [...read].sort((a, b) => Number(b.slot.current) - Number(a.slot.current));
  for (const { slot, bytes } of ordered) {
    try {
      const resealed = resealSlot(keys, bytes, `keys/${slot.name}`);
      await replace(repository, [slot.name], resealed);
      sealed.push({ ...slot, name: objectName(resealed), epoch: keys.newestEpoch });
    } catch (cause) {
      const error = VarveError.from(cause);
      if (error.code !== 'role') throw error;
      leftOut.push({ slot, reason: error.message });
    }
  }
  return { sealed, leftOut };
}

/** Makes the new object durable before it removes the old ones. */
async function replace({ store }: Repository, names: readonly string[], bytes: Uint8Array): Promise<void> {
  const name = objectName(bytes);
  await store.put('keys', name, [bytes]);
  for (const old of names) if (old !== name) await store.remove('keys', old);
}

async function readSlots(
  repository: Repository,
  names: ReadonlySet<string>,
): Promise<{ read: ReadSlot[]; failures: { name: string; error: VarveError }[] }> {
  const read: ReadSlot[] = [];
  const failures: { name: string; error: VarveError }[] = [];
  for (const name of names) {
    try {
      read.push(describe(repository, name, await fetchObject(repository.store, 'keys', name)));
    } catch (cause) {
      const error = VarveError.from(cause);
      if (error.code !== 'not-found') failures.push({ name, error });
    }
  }
  return { read, failures };
}

/** @throws the reason when a slot cannot be read: it may be the one that is asked for, or another object of the same key */
async function readEverySlot(repository: Repository): Promise<ReadSlot[]> {
  const { read, failures } = await readSlots(repository, await keyNames(repository.store));
  const unread = failures.find(({ error }) => isUnreadable(error));
  if (unread !== undefined) throw unread.error;
  return read;
}

function describe({ keys, identity }: Repository, name: string, bytes: Uint8Array): ReadSlot {
  const path = `keys/${name}`;
  const card = readCard(keys, bytes, path);
  const { role, user, host, created, epoch } = card;
  const opensWith = slotProtection(bytes, path).kind === 'scrypt' ? 'password' : 'key file';
  const current = equalBytes(card.slot, identity.slot);
  const { hosts } = card.certificate;
  const id = toHex(card.slot);
  return { card, bytes, slot: { id, name, role, user, host, hosts, created, epoch, opensWith, current } };
}

/** Of several objects of one slot, the one with the newest epoch counts (SPEC.md section 4). */
function newestOfEach(read: readonly ReadSlot[]): ReadSlot[] {
  const newest = new Map<string, ReadSlot>();
  for (const each of read) {
    const other = newest.get(each.slot.id);
    if (other === undefined || other.slot.epoch < each.slot.epoch) newest.set(each.slot.id, each);
  }
  return [...newest.values()].sort((a, b) => a.slot.created - b.slot.created || (a.slot.id < b.slot.id ? -1 : 1));
}

/** Finds a slot by its id or its object's name, or by the beginning of either. */
function chooseSlot(read: readonly ReadSlot[], id: string): ReadSlot {
  const found = /^[0-9a-f]+$/.test(id)
    ? read.filter(({ slot }) => slot.id.startsWith(id) || slot.name.startsWith(id))
    : [];
  const [first] = found;
  if (first === undefined)
    throw new VarveError('not-found', `no key matches "${id}"; \`varve key list\` lists what there is`);
  if (found.length > 1)
    throw new VarveError('ambiguous', `"${id}" matches ${found.length} keys: use more digits of the id`);
  return first;
}

/** Finds a key by its id or its object's name, for `cat key`. */
export async function findKeySlot(repository: Repository, id: string): Promise<KeySlot> {
  return chooseSlot(newestOfEach(await readEverySlot(repository)), id).slot;
}
