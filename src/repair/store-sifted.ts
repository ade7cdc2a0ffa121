import { Buffer } from 'node:buffer';
import { compressionParameters } from '../compression/policy.js';
import { PackBuffers } from '../repository/packs/pack-buffers.js';
import { PACK_TARGET, PackWriter, packCapacity } from '../repository/packs/pack-writer.js';
import type { Repository } from '../repository/repository.js';
import { PackUploader } from '../repository/writing/uploader.js';
import { type Sifted, storedFrame } from './sift.js';

/** Stores in new packs what can be read of an old one, and lists them when they are durable. Whole frames are copied as they are, sealed. */
export async function storeSifted(
  repository: Repository,
  { record, frames, parts }: Sifted,
  pack: Buffer,
): Promise<void> {
  const { keys, config } = repository;
  const largest = frames.reduce((most, { storedLength }) => Math.max(most, storedLength), config.data.max);
  const space = new PackBuffers(packCapacity(PACK_TARGET, largest, config.parity));
  // What fails is thrown when all is waited for.
  const uploader = new PackUploader(repository, space, () => undefined);
  const packs = new PackWriter({
    keys,
    kind: record.kind,
    compression: compressionParameters('auto'),
    target: PACK_TARGET,
    parity: config.parity,
    space,
    emit: (finished) => uploader.accept(finished),
  });
  for (const frame of frames) packs.addSealed(record, frame, storedFrame(pack, frame));
  for (const blobs of parts) {
    const raw = Buffer.concat(blobs.map(({ bytes }) => bytes));
    const ids = Buffer.concat(blobs.map(({ id }) => id));
    const lengths = blobs.map(({ bytes }) => bytes.length);
    packs.addFrame(raw, ids, lengths, true);
  }
  packs.finish();
  await uploader.finish();
}
