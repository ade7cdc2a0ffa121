import type { Buffer } from 'node:buffer';
import { compressionParameters } from '../compression/policy.js';
import { FrameFiller } from '../repository/packs/frame-filler.js';
import type { Repository } from '../repository/repository.js';
import { openSink } from '../repository/writing/pack-sink.js';
import { type Sifted, storedFrame } from './sift.js';

/** Stores in new packs what can be read of an old one, and lists them when they are durable. Whole frames are copied as they are, sealed. */
export async function storeSifted(
  repository: Repository,
  { record, frames, parts }: Sifted,
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
