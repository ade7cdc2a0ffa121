// Copies the blobs that a new snapshot needs out of condemned packs.
// When that is due is decided in commit.ts.
import type { Buffer } from 'node:buffer';
import { isAboutObject, VarveError } from '../../errors/errors.js';
import { ID_BYTES } from '../../format/limits.js';
import { framesOf, type PackRecord, type RecordFrame } from '../../format/pack-record.js';
import type { BlobIndex } from '../index/blob-index.js';
import { type IndexedRepository, loadIndexToWrite } from '../index/index-store.js';
import { isReliable, originIn } from '../index/trust.js';
import { verifyPack } from '../packs/pack-directory.js';
import type { PackWriter } from '../packs/pack-writer.js';
import { openSink } from './pack-sink.js';

/** The needs of a new snapshot: the blobs that the index notes as relied on, and all blobs of the packs that were stored for it. */
export interface Needs {
  readonly repository: IndexedRepository;
  /** Names of packs. */
  readonly stored: readonly string[];
}

/** Packs that may be on their way to the store while the next one is filled. */
const MOST_UNDER_WAY = 1;

/**
 * Reads the index again, and copies the needed blobs in condemned packs into new packs, which it makes durable and lists. Frames are copied
 * sealed, so any key can do it. Reads only packs whose bytes match their names.
 *
 * @returns the needs by the new index
 * @throws VarveError `incomplete` when a needed blob is gone or cannot be read
 */
export async function copyCondemned({ repository: before, stored }: Needs): Promise<Needs> {
  const repository = await loadIndexToWrite(before);
  const wanted = new Uint8Array(repository.index.size);
  transferReferences(before.index, repository.index, wanted);
  const kept = stored.filter((name) => !repository.condemned.has(name));
  wantStored(repository, stored, wanted);
  if (!wanted.includes(1)) return { repository, stored: kept };
  const copied = await copyPacks(repository, wanted);
  return { repository, stored: [...kept, ...copied] };
}

/** Relies on the same blobs in a newer index. Marks as wanted those that are in condemned packs only. */
function transferReferences(before: BlobIndex, index: BlobIndex, wanted: Uint8Array): void {
  for (let blob = before.shared.relied.indexOf(1); blob >= 0; blob = before.shared.relied.indexOf(1, blob + 1))
    relyOrWant(index, index.findSame(before, blob), wanted);
}

function wantStored(
  { index, packs, condemned }: IndexedRepository,
  stored: readonly string[],
  wanted: Uint8Array,
): void {
  const names = new Set(stored);
  for (const name of names) if (!packs.has(name)) throw lost(`data/${name}`, 'the index does not list it any more');
  for (let pack = 0; pack < index.packCount; pack++) {
    const name = index.packName(pack);
    if (!names.has(name) || !condemned.has(name)) continue;
    const { first, end } = index.blobsOf(pack);
    for (let blob = first; blob < end; blob++) relyOrWant(index, index.firstOf(blob), wanted);
  }
}

function relyOrWant(index: BlobIndex, blob: number, wanted: Uint8Array): void {
  if (blob < 0) throw lost('a blob', 'it is in no pack that the index lists');
  if (index.isUsable(blob)) index.relyOn(blob);
  else wanted[blob] = 1;
}

/** @returns names of the new packs */
async function copyPacks(repository: IndexedRepository, wanted: Uint8Array): Promise<readonly string[]> {
  const { index } = repository;
  const sources = Array.from({ length: index.packCount }, (_, pack) => pack).filter((pack) => {
    const { first, end } = index.blobsOf(pack);
    return wanted.subarray(first, end).includes(1);
  });
  const { sink, packs } = openSink(repository, { largest: largestFrame(index, sources), compression: undefined });
  try {
    for (const pack of sources) {
      const name = index.packName(pack);
      if (!isReliable(originIn(index, pack), repository)) throw lost(`data/${name}`, 'nobody vouches for it');
      await copyPack(repository, pack, wanted, packs[index.packKind(pack)]);
      await sink.settle(MOST_UNDER_WAY);
    }
    for (const each of Object.values(packs)) each.finish();
    await sink.finish();
  } catch (cause) {
    await sink.salvage().catch(() => undefined);
    throw cause;
  }
  return sink.stored;
}

async function copyPack(
  repository: IndexedRepository,
  pack: number,
  wanted: Uint8Array,
  writer: PackWriter,
): Promise<void> {
  const { index } = repository;
  const name = index.packName(pack);
  const { bytes, record } = await readWhole(repository, name);
  const isWanted = (frame: RecordFrame): boolean => {
    let found = false;
    for (let at = frame.firstBlob; at < frame.firstBlob + frame.blobs; at++) {
      const blob = index.find(record.ids, at * ID_BYTES);
      if (blob < 0 || wanted[blob] !== 1) continue;
      found = true;
      wanted[blob] = 0;
    }
    return found;
  };
  for (const frame of framesOf(record))
    if (isWanted(frame))
      writer.addSealed(record, frame, bytes.subarray(frame.offset, frame.offset + frame.storedLength));
  const { first, end } = index.blobsOf(pack);
  if (wanted.subarray(first, end).includes(1))
    throw lost(`data/${name}`, 'its directory differs from what the index states');
}

async function readWhole(repository: IndexedRepository, name: string): Promise<{ bytes: Buffer; record: PackRecord }> {
  try {
    const bytes = await repository.store.get('data', name);
    const { record } = await verifyPack(repository, name, bytes);
    return { bytes, record };
  } catch (cause) {
    if (!isAboutObject(cause)) throw cause;
    throw lost(`data/${name}`, VarveError.from(cause).message, cause);
  }
}

function largestFrame(index: BlobIndex, packs: readonly number[]): number {
  let largest = 0;
  for (const pack of packs) {
    const { first, end } = index.framesOf(pack);
    for (let frame = first; frame < end; frame++) largest = Math.max(largest, index.frame(frame).storedLength);
  }
  return largest;
}

function lost(what: string, reason: string, cause?: unknown): VarveError {
  return new VarveError(
    'incomplete',
    `${what}: a prune has condemned it, the new snapshot needs it, and it cannot be copied: ${reason}; run it again`,
    { cause },
  );
}
