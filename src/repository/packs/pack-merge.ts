import { framesOf, type PackRecord, PackRecordBuilder, WRAPPED_KEY_BYTES } from '../../format/pack-record.js';
import type { PackSigner } from './pack-directory.js';
import { type FinishedPack, type PackPart, packLength, sealPack } from './pack-writer.js';

/**
 * Merges packs that several writers could not fill into as few as fit the buffers. Frames are copied sealed, with their wrapped keys
 * (SPEC.md section 9).
 *
 * @param bytes returns the buffer with a number
 * @param release is called for each buffer that is free again
 * @param parity percent, as the config has it
 */
export function mergeParts(
  signer: PackSigner,
  parts: readonly PackPart[],
  bytes: (buffer: number) => Uint8Array,
  release: (buffer: number) => void,
  parity: number,
): FinishedPack[] {
  const merged: PackPart[] = [];
  for (const part of parts) {
    const at = merged.findIndex(
      (other) => other.record.kind === part.record.kind && fits(signer, other, part, bytes(other.buffer), parity),
    );
    if (at < 0) {
      merged.push(part);
      continue;
    }
    merged[at] = append(merged[at] as PackPart, part, bytes);
    release(part.buffer);
  }
  return merged.map((part) => sealPack(signer, part, bytes(part.buffer), parity));
}

function fits(signer: PackSigner, into: PackPart, part: PackPart, buffer: Uint8Array, parity: number): boolean {
  const record = [into, part].reduce((sum, each) => sum + recordBytes(each.record), 1024);
  return packLength(signer, into.length + part.length, record, parity) <= buffer.length;
}

function recordBytes(record: PackRecord): number {
  return (
    record.keys.length * (WRAPPED_KEY_BYTES + 2) + record.frames.length + record.ids.length + record.lengths.length
  );
}

function append(into: PackPart, part: PackPart, bytes: (buffer: number) => Uint8Array): PackPart {
  bytes(into.buffer).set(bytes(part.buffer).subarray(0, part.length), into.length);
  const builder = new PackRecordBuilder(into.record.kind);
  for (const frame of framesOf(into.record)) builder.addCopy(into.record, frame, frame.offset);
  for (const frame of framesOf(part.record)) builder.addCopy(part.record, frame, into.length + frame.offset);
  return { buffer: into.buffer, length: into.length + part.length, record: builder.build() };
}
