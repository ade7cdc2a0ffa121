import { Buffer } from 'node:buffer';
import pLimit from 'p-limit';
import type { Role } from '../../crypto/hierarchy.js';
import { isRevoked } from '../../crypto/signed.js';
import { isUnreadable, VarveError } from '../../errors/errors.js';
import { decodeIndexObject, encodeIndexObject, type IndexedPack, type IndexObject } from '../../format/index-object.js';
import { blobCount } from '../../format/pack-record.js';
import { compareTimes, type Time, timeFromMillis } from '../../format/time.js';
import type { Store } from '../../storage/store.js';
import { REQUESTS } from '../../workers/in-flight.js';
import { refuseBesideDeletion } from '../leases/exclusive.js';
import { getSigned, putSigned, type Repository } from '../repository.js';
import { type BlobIndex, BlobIndexBuilder } from './blob-index.js';

/** Later than all times of condemned packs. */
const NEVER: Time = { seconds: Number.MAX_SAFE_INTEGER, nanoseconds: 0 };

/**
 * A name that no pack has. It is condemned when it is not known any more which packs were: who relies on packs then looks whether they are
 * there (SPEC.md section 13).
 */
export const FORGOTTEN_PACKS = '0'.repeat(64);

/** A repository whose index is in memory. */
export interface IndexedRepository extends Repository {
  readonly index: BlobIndex;
  /** Names of all packs that are listed, condemned ones included. */
  readonly packs: ReadonlySet<string>;
  readonly condemned: ReadonlySet<string>;
  /** The index objects, but for those that others replace. */
  readonly objects: readonly IndexSummary[];
  /** Index objects that others replace, and that are still there. */
  readonly replaced: readonly string[];
  /** Index objects that are damaged, or of no repository with these keys. */
  readonly unread: readonly string[];
}

/** An index object without what it says of each pack. */
export interface IndexSummary {
  readonly name: string;
  readonly packs: readonly string[];
  readonly blobs: number;
  /** Those that it condemns, with the time. */
  readonly condemned: ReadonlyMap<string, Time>;
  /** As in LoadedIndex. */
  readonly revoked: boolean;
}

/** An index object that was opened. */
export interface LoadedIndex {
  readonly name: string;
  readonly index: IndexObject;
  readonly role: Role;
  /** Written by a slot that is revoked for that time: what it lists can be read, but is not relied on. */
  readonly revoked: boolean;
}

/** How the index is read. */
export interface IndexOptions {
  /**
   * Is told of objects that are damaged or cannot be read, and they are left out: enough to read what the others list. Without it they are thrown: whoever
   * stores or removes something must know of everything that is condemned.
   */
  readonly onDamage?: (error: VarveError, name: string) => void;
  /** Is shown each object that counts. */
  readonly inspect?: (object: LoadedIndex) => void;
  /** Names of packs that are left out, as they are not there any more. */
  readonly lost?: ReadonlySet<string>;
  /** One listing will do: for who loses nothing by an object that is missed, and looks again (`condemnedSince`) before it relies on the rest. */
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
  const all = entitled(await loadAll(repository, { ...options, ...(onDamage && { onDamage: note }) }));
  const replaced = new Set(all.flatMap(({ index }) => index.replaces.map((name) => name.toString('hex'))));
  const valid = all.filter(({ name }) => !replaced.has(name)).sort(byTime);
  if (inspect !== undefined) valid.forEach(inspect);
  const condemned = condemnedBy(valid);
  const isThere = ({ name }: IndexedPack): boolean => lost?.has(name.toString('hex')) !== true;
  const packs = valid.flatMap(({ index }) => index.packs).filter(isThere);
  const builder = new BlobIndexBuilder(packs.reduce((sum, { record }) => sum + blobCount(record), 0));
  const trusted = valid.flatMap(({ index, revoked }) => (revoked ? [] : index.packs)).filter(isThere);
  for (const pack of trusted) if (!condemned.has(pack.name.toString('hex'))) builder.add(pack);
  builder.startCondemned();
  const others = packs.filter(({ name }) => !builder.has(name.toString('hex')));
  for (const pack of lastToGo(others, condemned)) builder.add(pack);
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
 * The index for a writer. An object that is damaged or foreign is passed over, and the caller is told of it. What it condemned is not known then, so packs that are gone are
 * left out, and nothing may be deleting packs at the same time (whoever begins to delete later reads the index first, and refuses). An object that cannot be fetched is an error.
 *
 * @param once as in IndexOptions
 * @throws VarveError `locked` while an object is passed over and something may be deleting packs
 */
export async function loadIndexToWrite(
  repository: Repository,
  onDamage: (error: VarveError) => void = () => undefined,
  once = false,
): Promise<IndexedRepository> {
  const passOver = (error: VarveError): void => {
    throwUnlessDamaged(error);
    onDamage(error);
  };
  const indexed = await loadIndex(repository, { onDamage: passOver, once });
  if (indexed.unread.length === 0) return indexed;
  await refuseBesideDeletion(repository, `index/${indexed.unread[0]} cannot be read`);
  const lost = await gonePacks(repository.store, [...indexed.packs]);
  return loadIndex(repository, { lost, onDamage: throwUnlessDamaged });
}

/** What could not be read may condemn anything. */
function throwUnlessDamaged(error: VarveError): void {
  if (error.code !== 'damaged') throw error;
}

/**
 * Packs that were condemned since the index was loaded, or are gone where it is not known which were: what relies on them has to be stored
 * again.
 *
 * @param stored names of packs that were stored since the index was loaded
 * @param once whether it is enough to list the index once: for who looks again later
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
  const later = new Set(condemnedBy(entitled(await loadAll(repository, { once, onDamage }, known))).keys());
  if (forgotten) await refuseBesideDeletion(repository, 'a new part of the index cannot be read');
  if (forgotten || later.has(FORGOTTEN_PACKS)) {
    const gone = await gonePacks(repository.store, [...repository.packs, ...stored]);
    for (const name of gone) later.add(name);
  }
  for (const name of repository.condemned) later.delete(name);
  return later;
}

/** Which of the packs the store does not have. */
async function gonePacks(store: Store, packs: readonly string[]): Promise<Set<string>> {
  const gone = new Set(packs);
  for await (const { name } of store.list('data')) gone.delete(name);
  return gone;
}

/**
 * All index objects, but for those known. A listing may lack both one that is being replaced and the one that replaces it, or have one that is gone when it is
 * fetched: so they are listed until nothing new comes.
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

/** Undefined when it was removed since it was listed, or is damaged and that is told. */
async function loadOne(
  repository: Repository,
  name: string,
  onDamage: ((error: VarveError, name: string) => void) | undefined,
): Promise<LoadedIndex | undefined> {
  try {
    const { payload, certificate } = await getSigned(repository, 'index', name);
    const index = decodeIndexObject(payload, `index/${name}`);
    const revoked = isRevoked(repository.keys, certificate.slot, index.time.seconds);
    return { name, index, role: certificate.role, revoked };
  } catch (cause) {
    if (!(cause instanceof VarveError)) throw cause;
    if (cause.code === 'not-found') return undefined;
    if (onDamage === undefined || !(cause.code === 'damaged' || isUnreadable(cause))) throw cause;
    onDamage(cause, name);
    return undefined;
  }
}

/** What was listed first has the lower numbers in the index. */
function byTime(a: LoadedIndex, b: LoadedIndex): number {
  return compareTimes(a.index.time, b.index.time) || (a.name < b.name ? -1 : 1);
}

/** Only who may take something away can replace or condemn. */
function entitled(loaded: readonly LoadedIndex[]): LoadedIndex[] {
  return loaded.map((each) =>
    each.role === 'append' || each.revoked ? { ...each, index: { ...each.index, replaces: [], condemned: [] } } : each,
  );
}

function condemnedBy(loaded: readonly LoadedIndex[]): Map<string, Time> {
  const condemned = loaded.flatMap(({ index }) => index.condemned);
  return lastTimes(condemned.map(({ pack, time }) => [pack.toString('hex'), time]));
}

/**
 * Packs in the order in which a blob's copy is chosen: those condemned last first, as they are deleted last. One that a prune has deleted but not yet taken off the
 * index was condemned earlier than one that is there.
 */
function lastToGo(packs: readonly IndexedPack[], condemned: ReadonlyMap<string, Time>): IndexedPack[] {
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

function summaryOf({ name, index, revoked }: LoadedIndex): IndexSummary {
  return {
    name,
    revoked,
    packs: index.packs.map((pack) => pack.name.toString('hex')),
    blobs: index.packs.reduce((sum, { record }) => sum + blobCount(record), 0),
    condemned: new Map(index.condemned.map(({ pack, time }) => [pack.toString('hex'), time])),
  };
}

/** The packs that an index object lists. */
export async function packsOf(repository: Repository, name: string): Promise<readonly IndexedPack[]> {
  const { payload } = await getSigned(repository, 'index', name);
  return decodeIndexObject(payload, `index/${name}`).packs;
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
export function indexedPack(name: string, size: number, record: IndexedPack['record']): IndexedPack {
  return { name: Buffer.from(name, 'hex'), size, record };
}
