// Reads single objects of a repository, for `list` and `cat`.
// Decoding is left to format/, printing to the command line.

import type { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import { type BlobKind, DATA } from '../format/content.js';
import { decodeIndexObject, type IndexedPack, type IndexObject } from '../format/index-object.js';
import { decodeLease, type Lease } from '../format/lease.js';
import { ID_BYTES } from '../format/limits.js';
import { blobCount, type Frame, frameAt, frameCount, type PackRecord } from '../format/pack-record.js';
import { readIndex } from '../repository/index/index-store.js';
import { readPackDirectory } from '../repository/packs/pack-directory.js';
import { getSigned, type Repository } from '../repository/repository.js';
import type { ObjectType } from '../storage/store.js';

/** Lists the names of all objects of a type. */
export async function* listObjects(repository: Repository, type: ObjectType): AsyncGenerator<string> {
  for await (const { name } of repository.store.list(type)) yield name;
}

/**
 * Finds the object whose name begins with a prefix.
 *
 * @throws VarveError `not-found` or `ambiguous`
 */
export async function findObject(
  repository: Repository,
  type: ObjectType,
  prefix: string,
): Promise<{ name: string; size: number }> {
  const found: { name: string; size: number }[] = [];
  const given = /^[0-9a-f]{1,64}$/.test(prefix);
  if (given) for await (const each of repository.store.list(type)) if (each.name.startsWith(prefix)) found.push(each);
  const [first] = found;
  if (first === undefined) throw new VarveError('not-found', `${type}/${prefix}: no such object`);
  if (found.length > 1)
    throw new VarveError('ambiguous', `${type}/${prefix}: matches ${found.length} objects: use more digits`);
  return first;
}

/** Reads an index object and the name of the key slot that signed it. */
export async function readIndexObject(
  repository: Repository,
  name: string,
): Promise<{ index: IndexObject; signedBy: string }> {
  const { payload, certificate } = await getSigned(repository, 'index', name);
  return { index: decodeIndexObject(payload, `index/${name}`), signedBy: certificate.label };
}

export async function readLeaseObject(repository: Repository, name: string): Promise<Lease> {
  const { payload } = await getSigned(repository, 'lease', name);
  return decodeLease(payload, `locks/${name}`);
}

/** Reads the directory of a pack. */
export async function readPack(repository: Repository, name: string, size: number): Promise<PackRecord> {
  return (await readPackDirectory(repository, name, size)).record;
}

export interface ListedBlob {
  readonly id: Buffer;
  readonly kind: BlobKind;
  readonly length: number;
  readonly frame: Frame;
}

/** Lists the blobs of a pack, frame by frame. */
export function* blobsOf(record: PackRecord): Generator<ListedBlob> {
  let blob = 0;
  for (let number = 0; number < frameCount(record); number++) {
    const frame = frameAt(record, number);
    for (let i = 0; i < frame.blobs && blob < blobCount(record); i++, blob++) {
      const id = record.ids.subarray(blob * ID_BYTES, (blob + 1) * ID_BYTES);
      yield { id, kind: record.kind, length: record.lengths.readUInt32LE(blob * 4), frame };
    }
  }
}

/** Lists all packs of the index. A pack that two index objects list comes twice. */
export async function* listIndexedPacks(repository: Repository): AsyncGenerator<IndexedPack> {
  for await (const name of listObjects(repository, 'index')) {
    const { index, revoked } = await readIndex(repository, name);
    if (!revoked) yield* index.packs;
  }
}

export const kindName = (kind: BlobKind): string => (kind === DATA ? 'data' : 'tree');
