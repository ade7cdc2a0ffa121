import { createHmac } from 'node:crypto';

const LABEL = 'varve/1/gear';

/** The 256 random words that a repository's chunker rolls over, from its secret `gear` (SPEC.md section 8). */
export function gearTable(gear: Uint8Array): BigUint64Array {
  return BigUint64Array.from({ length: 256 }, (_, i) =>
    createHmac('sha256', gear).update(LABEL).update(Uint8Array.of(i)).digest().readBigUInt64LE(0),
  );
}
