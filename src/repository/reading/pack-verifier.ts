// Reads packs whole, and finds out which of their blobs are what the index says.
// What follows from that for the index is left to the caller.
import type { Buffer } from 'node:buffer';
import { isAboutObject, VarveError } from '../../errors/errors.js';
import { ID_BYTES } from '../../format/limits.js';
import { framesOf, type PackRecord, type RecordFrame } from '../../format/pack-record.js';
import type { BlobIndex, LocatedFrame } from '../index/blob-index.js';
import type { IndexedRepository } from '../index/index-store.js';
import { originOfRead } from '../index/trust.js';
import { type PackDirectory, verifyPack } from '../packs/pack-directory.js';
import { FrameOpener, opensFrames, PackKeyRing } from './blob-reader.js';

/** What a pack proved to be. */
export type PackVerdict =
  /** All of it is what the index says, and this key may vouch for it. */
  | { readonly kind: 'sound'; readonly size: number; readonly directory: PackDirectory }
  /** It matches its name, but this key can neither open it nor trust the key that assembled it. */
  | { readonly kind: 'unopened' }
  /** Some blobs, by their numbers, are not what the index says. */
  | { readonly kind: 'bad'; readonly blobs: readonly number[]; readonly cause: VarveError };

/**
 * Reads a pack whole.
 *
 * @param pack its number in the index
 * @throws VarveError when the error is not about this pack alone
 */
export async function readVerdict(repository: IndexedRepository, pack: number): Promise<PackVerdict> {
  const { index, store } = repository;
  const name = index.packName(pack);
  const { first, end } = index.blobsOf(pack);
  const all = (): number[] => Array.from({ length: end - first }, (_, at) => first + at);
  try {
    const bytes = await store.get('data', name);
    const directory = await verifyPack(repository, name, bytes);
    const frames = listedFrames(index, pack, directory.record);
    return judge(repository, pack, { directory, frames, bytes });
  } catch (cause) {
    if (!isAboutObject(cause)) throw cause;
    return { kind: 'bad', blobs: all(), cause: VarveError.from(cause) };
  }
}

interface ReadPack {
  readonly directory: PackDirectory;
  readonly frames: readonly LocatedFrame[];
  readonly bytes: Buffer;
}

function judge(repository: IndexedRepository, pack: number, { directory, frames, bytes }: ReadPack): PackVerdict {
  const { index, keys } = repository;
  const { signer } = directory;
  if (!opensFrames(keys, index.packKind(pack))) {
    const isTrusted = index.isVouched(pack) || originOfRead(signer, repository).vouched;
    return isTrusted ? { kind: 'sound', size: bytes.length, directory } : { kind: 'unopened' };
  }
  const opener = new FrameOpener(index, keys, new PackKeyRing(keys));
  const blobs: number[] = [];
  let cause: VarveError | undefined;
  for (const frame of frames) {
    const stored = bytes.subarray(frame.offset, frame.offset + frame.storedLength);
    const bad = opener.badBlobs(frame, stored);
    blobs.push(...bad.blobs);
    cause ??= bad.cause;
  }
  return cause === undefined ? { kind: 'sound', size: bytes.length, directory } : { kind: 'bad', blobs, cause };
}

/** The frames of a pack as the index lists them. @throws VarveError `damaged` when the pack's own directory differs */
export function listedFrames(index: BlobIndex, pack: number, record: PackRecord): LocatedFrame[] {
  const frames = [...framesOf(record)];
  const { first, end } = index.framesOf(pack);
  const listed = Array.from({ length: end - first }, (_, at) => index.frame(first + at));
  const same = (each: LocatedFrame, at: number): boolean => isSame(index, each, record, frames[at] as RecordFrame);
  if (frames.length === listed.length && listed.every(same)) return listed;
  throw new VarveError(
    'damaged',
    `data/${index.packName(pack)}: its directory is not what the index says; run \`varve check\``,
  );
}

function isSame(index: BlobIndex, listed: LocatedFrame, record: PackRecord, frame: RecordFrame): boolean {
  const { offset, storedLength, rawLength, codec, counter, wrappedKey, blobs, firstBlob } = listed;
  if (offset !== frame.offset || storedLength !== frame.storedLength || blobs !== frame.blobs) return false;
  if (rawLength !== frame.rawLength || codec !== frame.codec || counter !== frame.counter) return false;
  if (!wrappedKey.equals(record.keys[frame.key] as Buffer)) return false;
  for (let at = 0; at < blobs; at++) {
    const number = frame.firstBlob + at;
    const id = record.ids.subarray(number * ID_BYTES, (number + 1) * ID_BYTES);
    if (!index.isNamed(firstBlob + at, id)) return false;
    if (index.lengthOf(firstBlob + at) !== record.lengths.readUInt32LE(number * 4)) return false;
  }
  return true;
}
