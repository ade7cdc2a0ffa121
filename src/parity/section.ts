// Writes the parity section of a pack, and finds damage with it (SPEC.md section 9).
// heal.ts repairs.
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { equalBytes } from '../bytes/views.js';
import {
  CHECKSUM_BYTES,
  DESCRIPTION_HASH,
  DESCRIPTION_HEAD,
  dataShardsOf,
  descriptionAt,
  FOOTER_BYTES,
  type ParityLayout,
  parityLayout,
  parityShardsOf,
} from './layout.js';
import { matrixOf, parityCoefficient } from './matrix.js';
import { multiplyShards } from './multiplier.js';

const MAGIC = Buffer.from('VRVR\x01', 'latin1');
const PERCENT_AT = 5;
const LENGTH_AT = 8;
/** At most this many different descriptions are tried: a sound pack has one, and an attacker could plant many. */
const MAX_DESCRIPTIONS = 4;

/** What a pack's parity section says of the pack, as often as it has parity shards and once more. */
export interface Description {
  readonly layout: ParityLayout;
  readonly footer: Buffer;
  /** Of each data shard, then of each parity shard. */
  readonly checksums: readonly Buffer[];
}

/** Writes the parity section of a pack. The bytes before the section, and the footer, must be in the buffer. */
export function writeParity(pack: Buffer, layout: ParityLayout): void {
  const data = dataShardsOf(pack, layout);
  const parity = parityShardsOf(pack, layout);
  multiplyShards(matrixOf(parity.length, data.length, parityCoefficient), data, parity);
  const description = describe(pack, layout, [...data, ...parity]);
  for (let i = 0; i <= layout.parityShards; i++) pack.set(description, descriptionAt(layout, i));
}

function describe(pack: Buffer, { length, percent, description }: ParityLayout, shards: readonly Uint8Array[]): Buffer {
  const out = Buffer.alloc(description);
  MAGIC.copy(out);
  out[PERCENT_AT] = percent;
  out.writeBigUInt64LE(BigInt(length), LENGTH_AT);
  out.set(pack.subarray(length - FOOTER_BYTES, length), DESCRIPTION_HEAD);
  for (const [number, shard] of shards.entries())
    out.set(checksum(shard), DESCRIPTION_HEAD + FOOTER_BYTES + number * CHECKSUM_BYTES);
  out.set(sha256(out.subarray(0, -DESCRIPTION_HASH)), description - DESCRIPTION_HASH);
  return out;
}

/** All different intact descriptions, wherever they lie: lost bytes may have shifted them. */
export function findDescriptions(bytes: Buffer): Description[] {
  const found = new Map<string, Description>();
  for (let start = bytes.indexOf(MAGIC); start >= 0; start = bytes.indexOf(MAGIC, start + 1)) {
    const description = readDescription(bytes.subarray(start));
    if (description !== undefined) found.set(description.hash, description);
    if (found.size === MAX_DESCRIPTIONS) break;
  }
  return [...found.values()];
}

function readDescription(bytes: Buffer): (Description & { readonly hash: string }) | undefined {
  if (bytes.length < DESCRIPTION_HEAD) return undefined;
  const layout = parityLayout(Number(bytes.readBigUInt64LE(LENGTH_AT)), bytes[PERCENT_AT] as number);
  if (layout === undefined || bytes.length < layout.description) return undefined;
  const end = layout.description - DESCRIPTION_HASH;
  const hash = bytes.subarray(end, layout.description);
  if (!equalBytes(hash, sha256(bytes.subarray(0, end)))) return undefined;
  const table = DESCRIPTION_HEAD + FOOTER_BYTES;
  const checksums = Array.from({ length: layout.dataShards + layout.parityShards }, (_, number) =>
    bytes.subarray(table + number * CHECKSUM_BYTES, table + (number + 1) * CHECKSUM_BYTES),
  );
  return { layout, footer: bytes.subarray(DESCRIPTION_HEAD, table), checksums, hash: hash.toString('hex') };
}

/** Numbers of the shards whose checksum is wrong, data shards first. */
export function damagedShards(bytes: Buffer, { layout, checksums }: Description): number[] {
  const shards = [...dataShardsOf(bytes, layout), ...parityShardsOf(bytes, layout)];
  return shards.flatMap((shard, number) => (equalBytes(checksum(shard), checksums[number] as Buffer) ? [] : [number]));
}

function checksum(shard: Uint8Array): Buffer {
  return sha256(shard).subarray(0, CHECKSUM_BYTES);
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
