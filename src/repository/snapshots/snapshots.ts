import { Buffer } from 'node:buffer';
import pLimit from 'p-limit';
import { toHex } from '../../bytes/hex.js';
import { asArray, asBytes, asText } from '../../bytes/msgpack.js';
import { asBuffer } from '../../bytes/views.js';
import { isRevoked } from '../../crypto/signed.js';
import { endsAll, VarveError } from '../../errors/errors.js';
import { decodeSnapshot, encodeSnapshot, type Snapshot } from '../../format/snapshot.js';
import { compareTimes, type Time } from '../../format/time.js';
import type { ObjectInfo } from '../../storage/store.js';
import { REQUESTS } from '../../workers/in-flight.js';
import { getSigned, putSigned, type Repository, sealSigned } from '../repository.js';

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
}

export const shortId = (id: string): string => id.slice(0, SHORT_ID);

/** What is remembered of a snapshot that was opened and verified once. */
interface Remembered {
  readonly payload: Uint8Array;
  readonly slot: string;
  readonly label: string;
  /** The payload decoded, when that has been done. */
  readonly snapshot?: Snapshot;
}

export interface SnapshotList {
  /** Oldest first. */
  readonly snapshots: readonly StoredSnapshot[];
  /** Those that could not be opened. */
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
 * All snapshots, oldest first; those opened once before are taken from this machine's memory. An append key sees only those that it
 * wrote from here. Snapshots of a revoked slot are left out.
 *
 * @param rounds how many listings on end must bring nothing new: one that is tagged anew is another object then, and a listing that goes on meanwhile may have
 * neither. Who removes what no snapshot needs must see two. After a snapshot that is gone when it is fetched they are listed again in any case: another
 * may have taken its place
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
  const snapshots = [...known].map(([id, { payload, slot, label, snapshot }]) => ({
    id,
    slot,
    label,
    snapshot: snapshot ?? decodeSnapshot(payload, `snapshots/${id}`),
  }));
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
 * @returns false when it was forgotten by somebody else since it was listed
 * @throws VarveError when the others could not be read either
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
    const { slot, label } = certificate;
    known.set(name, { payload: Buffer.from(payload), slot: toHex(slot), label, snapshot });
  } catch (cause) {
    const error = VarveError.from(cause);
    if (error.code === 'not-found') return false;
    if (endsAll(error)) throw error;
    failures.push({ id: name, error, modified });
  }
  return true;
}

/** Signs, seals and stores a snapshot. Everything it needs must be durable already. @returns its id */
export async function writeSnapshot(repository: Repository, snapshot: Snapshot): Promise<string> {
  const payload = encodeSnapshot(snapshot);
  const id = await putSigned(repository, 'snapshot', payload);
  const { certificate } = repository.identity;
  const known = recall(repository);
  known.set(id, { payload, slot: toHex(certificate.slot), label: certificate.label });
  remember(repository, known);
  return id;
}

/** The id of a snapshot that is not stored, for a dry run. */
export function snapshotIdOf(repository: Repository, snapshot: Snapshot): string {
  return sealSigned(repository, 'snapshot', encodeSnapshot(snapshot)).name;
}

/**
 * Removes a snapshot; what only it needs is for prune to find. Needs a manage key. It may be done at any time, whatever others do (SPEC.md section 13).
 * Machines that remember it forget it when they list snapshots.
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
    const [id, payload, slot, label] = asArray(each, 4, REMEMBERED);
    known.set(asText(id, REMEMBERED), {
      payload: asBuffer(asBytes(payload, undefined, REMEMBERED)),
      slot: asText(slot, REMEMBERED),
      label: asText(label, REMEMBERED),
    });
  }
  return known;
}

function remember(repository: Repository, known: ReadonlyMap<string, Remembered>): void {
  repository.local.write(
    REMEMBERED,
    [...known].map(([id, { payload, slot, label }]) => [id, payload, slot, label]),
  );
}

/** Which snapshots are meant, as on the command line. */
export interface SnapshotFilter {
  readonly hosts?: readonly string[];
  /** Each a list joined by commas: all of its tags must be there. One that matches is enough. */
  readonly tags?: readonly string[];
  /** Absolute; all must be among the snapshot's paths. */
  readonly paths?: readonly Buffer[];
  /** None that is newer. */
  readonly until?: Time;
}

export function matchesFilter(snapshot: Snapshot, filter: SnapshotFilter): boolean {
  const { hosts = [], tags = [], paths = [], until } = filter;
  if (until !== undefined && compareTimes(snapshot.time, until) > 0) return false;
  if (hosts.length > 0 && !hosts.includes(snapshot.host)) return false;
  if (!paths.every((path) => snapshot.paths.some((other) => other.equals(path)))) return false;
  return tags.length === 0 || tags.some((list) => hasTags(snapshot, list));
}

/** Whether it has all tags of a list joined by commas; the empty list is for snapshots without tags. */
export function hasTags({ tags }: Pick<Snapshot, 'tags'>, list: string): boolean {
  if (list === '') return tags.length === 0;
  return splitTags(list).every((tag) => tags.includes(tag));
}

/** The tags of a list joined by commas. */
export const splitTags = (list: string): string[] => list.split(',').map((tag) => tag.trim());

/** Those that could not be opened and may be newer than a snapshot: the store does not say that they are older. */
export function mayBeNewer(
  failures: readonly UnreadSnapshot[],
  stored: StoredSnapshot | undefined,
): readonly UnreadSnapshot[] {
  const since = stored?.snapshot.time.seconds ?? Number.NEGATIVE_INFINITY;
  return failures.filter(({ modified = since }) => modified >= since);
}

/**
 * The snapshot that `latest` (among those that the filter leaves) or a prefix of an id names. One that could not be opened is never passed over for
 * another.
 *
 * @throws VarveError `not-found` or `ambiguous`; why a snapshot could not be opened, when that is the one or may be
 */
export function findSnapshot(list: SnapshotList, name: string, filter: SnapshotFilter = {}): StoredSnapshot {
  return name === 'latest' ? findLatest(list, filter) : findById(list, name);
}

function findLatest({ snapshots, failures }: SnapshotList, filter: SnapshotFilter): StoredSnapshot {
  const found = snapshots.findLast(({ snapshot }) => matchesFilter(snapshot, filter));
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
      : `the newest that can be read is ${shortId(older.id)} of ${isoTime(older.snapshot.time)}: name that one if it will do`;
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
