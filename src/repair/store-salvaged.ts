import type { Buffer } from 'node:buffer';
import { compressionParameters } from '../compression/policy.js';
import { FrameFiller } from '../repository/packs/frame-filler.js';
import type { Repository } from '../repository/repository.js';
import { openSink } from '../repository/writing/pack-sink.js';
import { type Salvaged, storedFrame } from './salvage.js';

/** Stores salvaged frames and blobs in new packs, and lists these once they are durable. Sound frames are copied sealed. */
export async function storeSalvaged(
  repository: Repository,
  { record, frames, parts }: Salvaged,
  pack: Buffer,
): Promise<void> {
  const largest = frames.reduce((most, { storedLength }) => Math.max(most, storedLength), 0);
  const { sink, packs } = openSink(repository, { largest, compression: compressionParameters('auto') });
  const writer = packs[record.kind];
  for (const frame of frames) writer.addSealed(record, frame, storedFrame(pack, frame));
  const filler = new FrameFiller(record.kind, writer);
  for (const { id, bytes } of parts.flat()) filler.add(id, bytes);
  filler.flush();
  writer.finish();
  await sink.finish();
}
