// Lists, finds, writes and removes snapshots.
// What must be durable before one is written is left to writing/commit.ts.
import { Buffer } from 'node:buffer';
import pLimit from 'p-limit';
import { toHex } from '../../bytes/hex.js';
import { asArray, asBool, asBytes, asText } from '../../bytes/msgpack.js';
import { asBuffer } from '../../bytes/views.js';
import { asRole, type Certificate, roleNumber } from '../../crypto/certificate.js';
import type { Role } from '../../crypto/hierarchy.js';
import { isRevoked } from '../../crypto/signed.js';
import { endsAll, VarveError } from '../../errors/errors.js';
import { decodeSnapshot, encodeSnapshot, type Snapshot } from '../../format/snapshot.js';
import type { ObjectInfo } from '../../storage/store.js';
import { compareTimes, type Time } from '../../time/time.js';
import { REQUESTS } from '../../workers/in-flight.js';
import { getSigned, putSigned, type Repository, sealSigned } from '../repository.js';
import { type Doubt, doubtOf, isForeign, requireHost } from './standing.js';

const SHORT_ID = 8;
const REMEMBERED = 'snapshots';

export interface StoredSnapshot {
  /** The object's name, 64 hex digits. */
  readonly id: string;
  readonly snapshot: Snapshot;
  /** Hex id of the key slot that signed it. */
  readonly slot: string;
  /** `user@host` of that slot. */
  readonly label: string;
  readonly role: Role;
  /** Why it is shown but never counts; undefined when it does. */
  readonly doubt: Doubt | undefined;
}

/** Who signed a snapshot. */
interface Signer {
  /** Hex id of the key slot. */
  readonly slot: string;
  readonly label: string;
  readonly role: Role;
  /** Whether it may not back up the snapshot's host. */
  readonly foreign: boolean;
}

export const shortId = (id: string): string => id.slice(0, SHORT_ID);

/** A snapshot that this machine opened and verified before. */
interface Remembered extends Signer {
  readonly payload: Uint8Array;
  /** The decoded payload, once it was needed. */
  readonly snapshot?: Snapshot;
}

export interface SnapshotList {
  /** Oldest first. */
  readonly snapshots: readonly StoredSnapshot[];
  /** Snapshots that could not be opened. */
  readonly failures: readonly UnreadSnapshot[];
}

/** A snapshot that is listed and could not be opened. */
export interface UnreadSnapshot {
  readonly id: string;
  readonly error: VarveError;
  /** Seconds since 1970, where the store says when the object was written. */
  readonly modified: number | undefined;
}

/**
 * All snapshots, oldest first, but those of revoked slots. Snapshots that this machine opened before come from its local state. An
 * append key sees only those that it wrote on this machine.
 *
 * @param rounds how many listings in a row must have nothing new. Tagging replaces a snapshot's object by another, and a listing at that
 * time may have neither; so a caller that removes what no snapshot needs must demand two. After a snapshot that is gone before it is
 * fetched this always lists again, because another one may have replaced it
 */
export async function listSnapshots(repository: Repository, rounds = 1): Promise<SnapshotList> {
  const remembered = recall(repository);
  const known = new Map<string, Remembered>();
  const failures: UnreadSnapshot[] = [];
  const limit = pLimit(REQUESTS);
  const seen = new Set<string>();
  let fetched = 0;
  for (let calm = 0, first = true; calm < rounds; first = false) {
    const fresh = await listUnseen(repository, seen);
    const fetches: Promise<boolean>[] = [];
    for (const listed of fresh) {
      const hit = remembered.get(listed.name);
      if (hit !== undefined) known.set(listed.name, hit);
      else if (repository.keys.role !== 'append')
        fetches.push(limit(() => fetchSnapshot(repository, listed, known, failures)));
    }
    const found = await Promise.all(fetches);
    fetched += fetches.length;
    calm = found.includes(false) || (fresh.length > 0 && !first) ? 0 : calm + 1;
  }
  if (fetched > 0 || known.size !== remembered.size) remember(repository, known);
  const now = repository.clock();
  const snapshots = [...known].map(([id, { payload, slot, label, role, foreign, ...opened }]): StoredSnapshot => {
    const snapshot = opened.snapshot ?? decodeSnapshot(payload, `snapshots/${id}`);
    return { id, slot, label, role, doubt: doubtOf(foreign, snapshot, now), snapshot };
  });
  const valid = snapshots.filter(
    ({ slot, snapshot }) => !isRevoked(repository.keys, Buffer.from(slot, 'hex'), snapshot.time.seconds),
  );
  valid.sort((a, b) => compareTimes(a.snapshot.time, b.snapshot.time) || (a.id < b.id ? -1 : 1));
  return { snapshots: valid, failures };
}

async function listUnseen({ store }: Repository, seen: Set<string>): Promise<readonly ObjectInfo[]> {
  const fresh: ObjectInfo[] = [];
  for await (const listed of store.list('snapshots')) {
    if (!seen.has(listed.name)) fresh.push(listed);
    seen.add(listed.name);
  }
  return fresh;
}

/**
 * @returns false when the snapshot was removed since it was listed
 * @throws VarveError when the error is not about this snapshot alone
 */
async function fetchSnapshot(
  repository: Repository,
  { name, modified }: ObjectInfo,
  known: Map<string, Remembered>,
  failures: UnreadSnapshot[],
): Promise<boolean> {
  try {
    const { payload, certificate } = await getSigned(repository, 'snapshot', name);
    const snapshot = decodeSnapshot(payload, `snapshots/${name}`);
    known.set(name, { payload: Buffer.from(payload), ...signerOf(certificate, snapshot), snapshot });
  } catch (cause) {
    const error = VarveError.from(cause);
    if (error.code === 'not-found') return false;
    if (endsAll(error)) throw error;
    failures.push({ id: name, error, modified });
  }
  return true;
}

function signerOf(certificate: Certificate, snapshot: Snapshot): Signer {
  const { slot, label, role } = certificate;
  return { slot: toHex(slot), label, role, foreign: isForeign(certificate, snapshot) };
}

/** Signs, seals and stores a snapshot. Everything that it needs must be durable: see `commitSnapshot`. @returns its id */
export async function writeSnapshot(repository: Repository, snapshot: Snapshot): Promise<string> {
  requireHost(repository.identity, snapshot.host);
  const payload = encodeSnapshot(snapshot);
  const id = await putSigned(repository, 'snapshot', payload);
  const { certificate } = repository.identity;
  const known = recall(repository);
  known.set(id, { payload, ...signerOf(certificate, snapshot) });
  remember(repository, known);
  return id;
}

/** The id that a snapshot would have, for a dry run. */
export function snapshotIdOf(repository: Repository, snapshot: Snapshot): string {
  return sealSigned(repository, 'snapshot', encodeSnapshot(snapshot)).name;
}

/**
 * Removes a snapshot, but none of its data: `prune` does that. Needs a manage key. May run beside every other command (SPEC.md section
 * 13). Machines that remember the snapshot forget it when they list snapshots.
 */
export async function removeSnapshot(repository: Repository, id: string): Promise<void> {
  repository.keys.requireRole('manage', 'remove snapshots');
  await repository.store.remove('snapshots', id);
}

function recall(repository: Repository): Map<string, Remembered> {
  const value = repository.local.read(REMEMBERED);
  const known = new Map<string, Remembered>();
  if (value === undefined) return known;
  for (const each of asArray(value, undefined, REMEMBERED)) {
    const [id, payload, slot, label, role, foreign] = asArray(each, 6, REMEMBERED);
    known.set(asText(id, REMEMBERED), {
      payload: asBuffer(asBytes(payload, undefined, REMEMBERED)),
      slot: asText(slot, REMEMBERED),
      label: asText(label, REMEMBERED),
      role: asRole(role, REMEMBERED),
      foreign: asBool(foreign, REMEMBERED),
    });
  }
  return known;
}

function remember(repository: Repository, known: ReadonlyMap<string, Remembered>): void {
  repository.local.write(
    REMEMBERED,
    [...known].map(([id, { payload, slot, label, role, foreign }]) => [
      id,
      payload,
      slot,
      label,
      roleNumber(role),
      foreign,
    ]),
  );
}

/** Selects snapshots, as on the command line. */
export interface SnapshotFilter {
  readonly hosts?: readonly string[];
  /** Lists of tags, each joined by commas. A snapshot must have all tags of at least one list. */
  readonly tags?: readonly string[];
  /** Absolute paths. A snapshot must have all of them. */
  readonly paths?: readonly Buffer[];
  /** No snapshot that is newer. */
  readonly until?: Time;
  /** Key slots by the beginnings of their ids, or by their labels. A snapshot must be signed by one of them. */
  readonly signers?: readonly string[];
}

/** What a filter looks at. */
export type SignedSnapshot = Pick<StoredSnapshot, 'snapshot' | 'slot' | 'label'>;

export function matchesFilter({ snapshot, slot, label }: SignedSnapshot, filter: SnapshotFilter): boolean {
  const { hosts = [], tags = [], paths = [], signers = [], until } = filter;
  if (signers.length > 0 && !signers.some((each) => slot.startsWith(each) || label === each)) return false;
  if (until !== undefined && compareTimes(snapshot.time, until) > 0) return false;
  if (hosts.length > 0 && !hosts.includes(snapshot.host)) return false;
  if (!paths.every((path) => snapshot.paths.some((other) => other.equals(path)))) return false;
  return tags.length === 0 || tags.some((list) => hasTags(snapshot, list));
}

/** Whether a snapshot has all tags of a list joined by commas. The empty list selects snapshots without tags. */
export function hasTags({ tags }: Pick<Snapshot, 'tags'>, list: string): boolean {
  if (list === '') return tags.length === 0;
  return splitTags(list).every((tag) => tags.includes(tag));
}

/** Splits a list of tags joined by commas. */
export const splitTags = (list: string): string[] => list.split(',').map((tag) => tag.trim());

/** The snapshots that could not be opened and may be newer than `stored`, as far as the store knows their age. */
export function mayBeNewer(
  failures: readonly UnreadSnapshot[],
  stored: StoredSnapshot | undefined,
): readonly UnreadSnapshot[] {
  const since = stored?.snapshot.time.seconds ?? Number.NEGATIVE_INFINITY;
  return failures.filter(({ modified = since }) => modified >= since);
}

/**
 * Finds a snapshot by the prefix of its id, or the latest one that the filter selects. Never takes another snapshot because the right one
 * could not be opened.
 *
 * @param name `latest` or the prefix
 * @throws VarveError `not-found` or `ambiguous`, or the reason why a snapshot that is or may be the right one could not be opened
 */
export function findSnapshot(list: SnapshotList, name: string, filter: SnapshotFilter = {}): StoredSnapshot {
  return name === 'latest' ? findLatest(list, filter) : findById(list, name);
}

function findLatest({ snapshots, failures }: SnapshotList, filter: SnapshotFilter): StoredSnapshot {
  const found = snapshots.findLast((stored) => stored.doubt === undefined && matchesFilter(stored, filter));
  const [unread] = mayBeNewer(failures, found).toSorted((a, b) => (b.modified ?? 0) - (a.modified ?? 0));
  if (unread !== undefined) throw latestUnread(unread, found);
  const old = filter.until === undefined ? '' : ' that is at least that old';
  if (found === undefined)
    throw new VarveError('not-found', `no snapshot found${old}; \`varve snapshots\` lists what there is`);
  return found;
}

function latestUnread({ id, error }: UnreadSnapshot, older: StoredSnapshot | undefined): VarveError {
  const instead =
    older === undefined
      ? 'no other can be read'
      : `the newest that can be read is ${shortId(older.id)} of ${isoTime(older.snapshot.time)}: name it if it will do`;
  const message = `snapshot ${shortId(id)} may be the latest and cannot be read (${error.message}); ${instead}`;
  return new VarveError(error.code, message, { cause: error, retryable: error.retryable });
}

const isoTime = ({ seconds }: Time): string => new Date(seconds * 1000).toISOString();

function findById({ snapshots, failures }: SnapshotList, name: string): StoredSnapshot {
  const isNamed = ({ id }: { readonly id: string }): boolean => id.startsWith(name);
  const isPrefix = /^[0-9a-f]{1,64}$/.test(name);
  const found = isPrefix ? snapshots.filter(isNamed) : [];
  const unread = isPrefix ? failures.filter(isNamed) : [];
  if (found.length + unread.length > 1)
    throw new VarveError(
      'ambiguous',
      `"${name}" matches ${found.length + unread.length} snapshots: use more digits of the id`,
    );
  const [first] = found;
  if (first !== undefined) return first;
  const [failure] = unread;
  if (failure === undefined)
    throw new VarveError('not-found', `no snapshot matches "${name}"; \`varve snapshots\` lists what there is`);
  const { id, error } = failure;
  throw new VarveError(error.code, `snapshot ${shortId(id)} cannot be read: ${error.message}`, { cause: error });
}
