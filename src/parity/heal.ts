// Restores the bytes of a damaged pack from its parity (SPEC.md section 9).
// Callers read the damaged bytes and put the healed ones in place.
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { dataShardsOf, FOOTER_BYTES, parityShardsOf } from './layout.js';
import { invertMatrix, matrixOf, matrixProduct, parityCoefficient } from './matrix.js';
import { multiplyShards } from './multiplier.js';
import { type Description, damagedShards, findDescriptions, writeParity } from './section.js';

export type Healing =
  /** The bytes as they were, which their hash proves. */
  | { readonly kind: 'healed'; readonly bytes: Buffer; readonly damaged: number; readonly shards: number }
  | { readonly kind: 'beyond'; readonly reason: string }
  /** Nothing to heal, or nothing to heal by: there is no parity in these bytes, or none of its descriptions is whole. */
  | { readonly kind: 'none' };

/**
 * Heals a damaged pack by its parity, without any key.
 *
 * @param name SHA-256 of the pack's bytes as they were, in hex: it proves the result, as an attacker may have written these bytes
 */
export function healPack(bytes: Buffer, name: string): Healing {
  let beyond: Healing | undefined;
  for (const description of findDescriptions(bytes)) {
    const healing = healBy(description, bytes, name);
    if (healing.kind === 'healed') return healing;
    beyond ??= healing;
  }
  return beyond ?? { kind: 'none' };
}

function healBy(description: Description, bytes: Buffer, name: string): Healing {
  const { layout, footer } = description;
  const damaged = damagedShards(bytes, description);
  const shards = layout.dataShards + layout.parityShards;
  if (damaged.length > layout.parityShards) {
    const covered = `${layout.parityShards} of ${shards} shards`;
    return { kind: 'beyond', reason: `its parity covers ${covered}, and ${damaged.length} are damaged` };
  }
  const out = Buffer.alloc(layout.length);
  bytes.copy(out, 0, 0, Math.min(bytes.length, layout.offset));
  rebuildData(description, bytes, out, damaged);
  footer.copy(out, layout.length - FOOTER_BYTES);
  writeParity(out, layout);
  if (createHash('sha256').update(out).digest('hex') !== name)
    return { kind: 'beyond', reason: 'its parity is that of another pack' };
  return { kind: 'healed', bytes: out, damaged: damaged.length, shards };
}

/**
 * Each intact parity shard is an equation between the data shards. As many of them as data shards are lost are solved for those: with C the
 * parity's matrix, L its columns of lost shards and I those of intact ones, lost = L⁻¹ · (I · intact + parity).
 */
function rebuildData({ layout }: Description, bytes: Buffer, out: Buffer, damaged: readonly number[]): void {
  const { dataShards, parityShards } = layout;
  const isDamaged = new Set(damaged);
  const lost = damaged.filter((number) => number < dataShards);
  if (lost.length === 0) return;
  const intact = numbers(dataShards).filter((j) => !isDamaged.has(j));
  const rows = numbers(parityShards)
    .filter((i) => !isDamaged.has(dataShards + i))
    .slice(0, lost.length);
  const ofLost = matrixOf(rows.length, lost.length, (row, column) =>
    parityCoefficient(rows[row] as number, lost[column] as number),
  );
  const known = matrixOf(rows.length, intact.length + rows.length, (row, column) =>
    column < intact.length
      ? parityCoefficient(rows[row] as number, intact[column] as number)
      : Number(column - intact.length === row),
  );
  const data = dataShardsOf(bytes, layout);
  const parity = parityShardsOf(bytes, layout);
  const inputs = [...intact.map((j) => data[j] as Buffer), ...rows.map((i) => parity[i] as Buffer)];
  const rebuilt = lost.map(() => new Uint8Array(layout.shard));
  multiplyShards(matrixProduct(invertMatrix(ofLost), known), inputs, rebuilt);
  const places = dataShardsOf(out, layout);
  for (const [number, shard] of rebuilt.entries()) {
    const place = places[lost[number] as number] as Uint8Array;
    place.set(shard.subarray(0, place.length));
  }
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number);
}
