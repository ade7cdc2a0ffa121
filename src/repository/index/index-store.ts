// Reads and writes the index objects of a repository.
// The blobs in memory are left to blob-index.ts, large rewrites of the index to index-writer.ts.
import { Buffer } from 'node:buffer';
import pLimit from 'p-limit';
import type { Certificate } from '../../crypto/certificate.js';
import { isRevoked } from '../../crypto/signed.js';
import { isUnreadable, VarveError } from '../../errors/errors.js';
import { decodeIndexObject, encodeIndexObject, type IndexedPack, type IndexObject } from '../../format/index-object.js';
import { blobCount } from '../../format/pack-record.js';
import type { Store } from '../../storage/store.js';
import { compareTimes, type Time, timeFromMillis } from '../../time/time.js';
import { REQUESTS } from '../../workers/in-flight.js';
import { refuseDuringDeletion } from '../leases/exclusive.js';
import { getSigned, putSigned, type Repository } from '../repository.js';
import type { BlobIndex } from './blob-index.js';
import { BlobIndexBuilder } from './blob-index-builder.js';
import { heed, isReliable, type Origin } from './trust.js';

/** Later than every time at which a pack was condemned. */
const NEVER: Time = { seconds: Number.MAX_SAFE_INTEGER, nanoseconds: 0 };

/**
 * A name that no pack has. A repair condemns it when it no longer knows which packs were condemned. A writer that sees it checks
 * that the packs that it relies on exist (SPEC.md section 13).
 */
export const FORGOTTEN_PACKS = '0'.repeat(64);

/** A repository whose index is in memory. */
export interface IndexedRepository extends Repository {
  readonly index: BlobIndex;
  /** Names of all listed packs, condemned ones included. */
  readonly packs: ReadonlySet<string>;
  readonly condemned: ReadonlySet<string>;
  /** The index objects that no other one replaces. */
  readonly objects: readonly IndexSummary[];
  /** Names of index objects that others replace and that still exist. */
  readonly replaced: readonly string[];
  /** Names of index objects that are damaged or foreign. */
  readonly unread: readonly string[];
}

/** An index object without the records of its packs. */
export interface IndexSummary {
  readonly name: string;
  readonly packs: readonly string[];
  /** Names of those that it does not vouch for. */
  readonly unvouched: readonly string[];
  readonly blobs: number;
  /** Names of the packs that it condemns, each with the time. */
  readonly condemned: ReadonlyMap<string, Time>;
}

/** An index object that was opened. */
export interface LoadedIndex {
  readonly name: string;
  /** What counts of it (trust.ts). */
  readonly index: IndexObject;
  readonly signer: Certificate;
  /** Whether the signer had been revoked when it was written. */
  readonly revoked: boolean;
}

/** How the index is read. */
export interface IndexOptions {
  /**
   * Gets each object that is damaged or cannot be read, and the index is loaded without it: enough for a reader. Without this callback
   * the error is thrown, because a writer must know of every pack that is condemned.
   */
  readonly onDamage?: (error: VarveError, name: string) => void;
  /** Gets each object that no other one replaces. */
  readonly inspect?: (object: LoadedIndex) => void;
  /** Names of packs to leave out, because they are missing from the store. */
  readonly lost?: ReadonlySet<string>;
  /** Lists once. Only for a caller that can do without an object, and calls `condemnedSince` before it relies on the others. */
  readonly once?: boolean;
}

/**
 * Reads all index objects (SPEC.md section 10).
 *
 * @throws VarveError `damaged`, see `IndexOptions.onDamage`
 */
export async function loadIndex(repository: Repository, options: IndexOptions = {}): Promise<IndexedRepository> {
  const { inspect, lost, onDamage } = options;
  const unread: string[] = [];
  const note = (error: VarveError, name: string): void => {
    unread.push(name);
    onDamage?.(error, name);
  };
  const all = await loadAll(repository, { ...options, ...(onDamage && { onDamage: note }) });
  const replaced = new Set(all.flatMap(({ index }) => index.replaces.map((name) => name.toString('hex'))));
  const valid = all.filter(({ name }) => !replaced.has(name)).sort(byTime);
  if (inspect !== undefined) valid.forEach(inspect);
  const condemned = condemnedBy(valid);
  const exists = ({ name }: IndexedPack): boolean => lost?.has(name.toString('hex')) !== true;
  const packs = valid.flatMap(({ index }) => index.packs).filter(exists);
  const builder = new BlobIndexBuilder(packs.reduce((sum, { record }) => sum + blobCount(record), 0));
  addRanked(builder, packs, condemned, repository);
  return {
    ...repository,
    index: builder.build(),
    packs: new Set(builder.packNames),
    condemned: new Set(condemned.keys()),
    objects: valid.map(summaryOf),
    replaced: all.flatMap(({ name }) => (replaced.has(name) ? [name] : [])),
    unread,
  };
}

/**
 * The index for a writer. Skips an object that is damaged or foreign, and reports it. Since that object may have condemned packs, the
 * index is then loaded without the packs that are missing, and no other command may be deleting packs. (A command that begins to delete
 * later reads the index first, and refuses.) An object that cannot be fetched is an error.
 *
 * @param once as in IndexOptions
 * @throws VarveError `locked` when an object is skipped while another command may be deleting packs
 */
export async function loadIndexToWrite(
  repository: Repository,
  onDamage: (error: VarveError) => void = () => undefined,
  once = false,
): Promise<IndexedRepository> {
  const skip = (error: VarveError): void => {
    throwUnlessDamaged(error);
    onDamage(error);
  };
  const indexed = await loadIndex(repository, { onDamage: skip, once });
  if (indexed.unread.length === 0) return indexed;
  await refuseDuringDeletion(repository, `index/${indexed.unread[0]} cannot be read`);
  const lost = await gonePacks(repository.store, [...indexed.packs]);
  return loadIndex(repository, { lost, onDamage: throwUnlessDamaged });
}

/** An object that could not be fetched may condemn any pack. */
function throwUnlessDamaged(error: VarveError): void {
  if (error.code !== 'damaged') throw error;
}

/**
 * Names of the packs that were condemned since the index was loaded. Where that is no longer known, the packs that are missing.
 *
 * @param stored names of packs that were stored since the index was loaded
 * @param once whether to list the index only once, for a caller that checks again later
 * @throws VarveError as `loadIndexToWrite`
 */
export async function condemnedSince(
  repository: IndexedRepository,
  stored: readonly string[] = [],
  once = false,
): Promise<Set<string>> {
  const known = new Set([...repository.objects.map(({ name }) => name), ...repository.replaced, ...repository.unread]);
  let forgotten = false;
  const onDamage = (error: VarveError): void => {
    throwUnlessDamaged(error);
    forgotten = true;
  };
  const later = new Set(condemnedBy(await loadAll(repository, { once, onDamage }, known)).keys());
  if (forgotten) await refuseDuringDeletion(repository, 'a new part of the index cannot be read');
  if (forgotten || later.has(FORGOTTEN_PACKS)) {
    const gone = await gonePacks(repository.store, [...repository.packs, ...stored]);
    for (const name of gone) later.add(name);
  }
  for (const name of repository.condemned) later.delete(name);
  return later;
}

/** The packs that are missing from the store. */
async function gonePacks(store: Store, packs: readonly string[]): Promise<Set<string>> {
  const gone = new Set(packs);
  for await (const { name } of store.list('data')) gone.delete(name);
  return gone;
}

/**
 * All index objects but those that are known. A listing may lack both an object and the one that replaces it, or name one that is gone
 * before it is fetched. So this lists until a listing has nothing new.
 */
async function loadAll(
  repository: Repository,
  { onDamage, once = false }: IndexOptions,
  known: ReadonlySet<string> = new Set(),
): Promise<LoadedIndex[]> {
  const limit = pLimit(REQUESTS);
  const loaded = new Map<string, LoadedIndex | undefined>();
  for (let rounds = 0, news = true; once ? rounds < 1 : news || rounds < 2; rounds++) {
    const names: string[] = [];
    for await (const { name } of repository.store.list('index')) {
      if (!known.has(name) && !loaded.has(name)) names.push(name);
    }
    const found = await Promise.all(names.map((name) => limit(() => loadOne(repository, name, onDamage))));
    for (const [at, name] of names.entries()) loaded.set(name, found[at]);
    news = names.length > 0;
  }
  return [...loaded.values()].filter((each) => each !== undefined);
}

/** Undefined when it was removed since it was listed, or was reported to `onDamage`. */
async function loadOne(
  repository: Repository,
  name: string,
  onDamage: ((error: VarveError, name: string) => void) | undefined,
): Promise<LoadedIndex | undefined> {
  try {
    return await readIndex(repository, name);
  } catch (cause) {
    if (!(cause instanceof VarveError)) throw cause;
    if (cause.code === 'not-found') return undefined;
    if (onDamage === undefined || !(cause.code === 'damaged' || isUnreadable(cause))) throw cause;
    onDamage(cause, name);
    return undefined;
  }
}

/** Reads an index object. */
export async function readIndex(repository: Repository, name: string): Promise<LoadedIndex> {
  const { payload, certificate: signer } = await getSigned(repository, 'index', name);
  const stated = decodeIndexObject(payload, `index/${name}`);
  const revoked = isRevoked(repository.keys, signer.slot, stated.time.seconds);
  return { name, index: heed(stated, signer, revoked), signer, revoked };
}

/**
 * Adds packs in the order in which copies of a blob are tried: first those that a backup may rely on, then condemned ones that are vouched
 * for, then all others. So nobody's word hides a copy that is vouched for.
 */
function addRanked(
  builder: BlobIndexBuilder,
  packs: readonly IndexedPack[],
  condemned: ReadonlyMap<string, Time>,
  repository: Repository,
): void {
  const isCondemned = ({ name }: IndexedPack): boolean => condemned.has(name.toString('hex'));
  const [leaving, standing] = partition(packs, isCondemned);
  const [vouched, unvouched] = partition(standing, (pack) => pack.vouched);
  const [own, foreign] = partition(unvouched, (pack) => isReliable(pack, repository));
  for (const pack of [...vouched, ...own]) builder.add(pack);
  builder.endUsable();
  const [last, least] = partition(leaving, (pack) => pack.vouched);
  for (const pack of lastCondemnedFirst(last, condemned)) builder.add(pack);
  for (const pack of [...foreign, ...lastCondemnedFirst(least, condemned)]) builder.add(pack);
}

function partition<T>(items: readonly T[], belongs: (item: T) => boolean): [T[], T[]] {
  const sides: [T[], T[]] = [[], []];
  for (const item of items) sides[belongs(item) ? 0 : 1].push(item);
  return sides;
}

/** Packs that were listed earlier get lower numbers, so that a walk from the last frame to the first meets directories before their contents. */
function byTime(a: LoadedIndex, b: LoadedIndex): number {
  return compareTimes(a.index.time, b.index.time) || (a.name < b.name ? -1 : 1);
}

function condemnedBy(loaded: readonly LoadedIndex[]): Map<string, Time> {
  const condemned = loaded.flatMap(({ index }) => index.condemned);
  return lastTimes(condemned.map(({ pack, time }) => [pack.toString('hex'), time]));
}

/**
 * Sorts packs so that the copy of a blob that will be deleted last comes first: the pack that was condemned last. A pack that a prune
 * has deleted but that is still listed was condemned before those that exist.
 */
function lastCondemnedFirst(packs: readonly IndexedPack[], condemned: ReadonlyMap<string, Time>): IndexedPack[] {
  const since = ({ name }: IndexedPack): Time => condemned.get(name.toString('hex')) ?? NEVER;
  return packs.toSorted((a, b) => compareTimes(since(b), since(a)) || a.name.compare(b.name));
}

/** The packs that the index condemns, with the last time that it does. */
export function condemnations({ objects }: Pick<IndexedRepository, 'objects'>): Map<string, Time> {
  return lastTimes(objects.flatMap(({ condemned }) => [...condemned]));
}

function lastTimes(condemned: Iterable<readonly [string, Time]>): Map<string, Time> {
  const last = new Map<string, Time>();
  for (const [name, time] of condemned) {
    const other = last.get(name);
    if (other === undefined || compareTimes(other, time) < 0) last.set(name, time);
  }
  return last;
}

function summaryOf({ name, index }: LoadedIndex): IndexSummary {
  return {
    name,
    packs: index.packs.map((pack) => pack.name.toString('hex')),
    unvouched: index.packs.flatMap((pack) => (pack.vouched ? [] : [pack.name.toString('hex')])),
    blobs: index.packs.reduce((sum, { record }) => sum + blobCount(record), 0),
    condemned: new Map(index.condemned.map(({ pack, time }) => [pack.toString('hex'), time])),
  };
}

/** Reads the packs that an index object lists. */
export async function packsOf(repository: Repository, name: string): Promise<readonly IndexedPack[]> {
  return (await readIndex(repository, name)).index.packs;
}

/** Lists new packs in an index object. @returns its name, once it is durable */
export function writeIndex(
  repository: Repository,
  packs: readonly IndexedPack[],
  taking: Pick<IndexObject, 'replaces' | 'condemned'> = { replaces: [], condemned: [] },
): Promise<string> {
  const time = timeFromMillis(repository.clock());
  return putSigned(repository, 'index', encodeIndexObject({ time, ...taking, packs }));
}

/** A pack as an index object lists it. */
export function indexedPack(name: string, size: number, record: IndexedPack['record'], origin: Origin): IndexedPack {
  return { name: Buffer.from(name, 'hex'), size, record, ...origin };
}
