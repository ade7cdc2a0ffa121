import { Buffer } from 'node:buffer';
import pLimit from 'p-limit';
import type { Role } from '../crypto/hierarchy.js';
import { isRevoked } from '../crypto/signed.js';
import { VarveError } from '../errors/errors.js';
import { decodeIndexObject, encodeIndexObject, type IndexedPack, type IndexObject } from '../format/index-object.js';
import { blobCount } from '../format/pack-record.js';
import { timeFromMillis } from '../format/time.js';
import { type BlobIndex, BlobIndexBuilder } from './blob-index.js';
import { getSigned, putSigned, type Repository } from './repository.js';

/** Objects fetched at a time. */
const PARALLEL = 8;

/** A repository whose index is in memory. */
export interface IndexedRepository extends Repository {
  readonly index: BlobIndex;
  /** Names of all packs that are listed, condemned ones included. */
  readonly packs: ReadonlySet<string>;
  readonly condemned: ReadonlySet<string>;
}

interface Loaded {
  readonly name: string;
  readonly index: IndexObject;
  readonly role: Role;
  /** Written by a slot that is revoked for that time: what it lists can be read, but is not relied on. */
  readonly revoked: boolean;
}

/**
 * Reads all index objects (SPEC.md section 10).
 *
 * @param onDamage is told of those that are damaged, and they are left out: enough to read what the others list. Without it they are
 * thrown: whoever stores or removes something must know of everything that is condemned
 */
export async function loadIndex(
  repository: Repository,
  onDamage?: (error: VarveError) => void,
): Promise<IndexedRepository> {
  const names: string[] = [];
  for await (const { name } of repository.store.list('index')) names.push(name);
  const limit = pLimit(PARALLEL);
  const loaded = await Promise.all(names.map((name) => limit(() => loadOne(repository, name, onDamage))));
  const valid = withoutReplaced(loaded.filter((each) => each !== undefined));
  const condemned = new Set(valid.flatMap(({ index }) => index.condemned.map(({ pack }) => pack.toString('hex'))));
  const packs = valid.flatMap(({ index }) => index.packs);
  const builder = new BlobIndexBuilder(packs.reduce((sum, { record }) => sum + blobCount(record), 0));
  const trusted = valid.flatMap(({ index, revoked }) => (revoked ? [] : index.packs));
  for (const pack of trusted) if (!condemned.has(pack.name.toString('hex'))) builder.add(pack);
  builder.startCondemned();
  for (const pack of packs) builder.add(pack);
  return { ...repository, index: builder.build(), packs: new Set(builder.packNames), condemned };
}

/** Undefined when it was replaced and removed since it was listed, or is damaged and that is told. */
async function loadOne(
  repository: Repository,
  name: string,
  onDamage: ((error: VarveError) => void) | undefined,
): Promise<Loaded | undefined> {
  try {
    const { payload, certificate } = await getSigned(repository, 'index', name);
    const index = decodeIndexObject(payload, `index/${name}`);
    const revoked = isRevoked(repository.keys, certificate.slot, index.time.seconds);
    return { name, index, role: certificate.role, revoked };
  } catch (cause) {
    if (!(cause instanceof VarveError)) throw cause;
    if (cause.code === 'damaged' && onDamage !== undefined) onDamage(cause);
    else if (cause.code !== 'not-found') throw cause;
    return undefined;
  }
}

/** Only who may take something away can replace or condemn. */
function withoutReplaced(loaded: readonly Loaded[]): Loaded[] {
  const entitled = loaded.map((each) =>
    each.role === 'append' || each.revoked ? { ...each, index: { ...each.index, replaces: [], condemned: [] } } : each,
  );
  const replaced = new Set(entitled.flatMap(({ index }) => index.replaces.map((name) => name.toString('hex'))));
  return entitled.filter(({ name }) => !replaced.has(name));
}

/** Lists new packs in an index object. @returns its name, once it is durable */
export function writeIndex(repository: Repository, packs: readonly IndexedPack[]): Promise<string> {
  const time = timeFromMillis(repository.clock());
  return putSigned(repository, 'index', encodeIndexObject({ time, replaces: [], condemned: [], packs }));
}

/** A pack as an index object lists it. */
export function indexedPack(name: string, size: number, record: IndexedPack['record']): IndexedPack {
  return { name: Buffer.from(name, 'hex'), size, record };
}
