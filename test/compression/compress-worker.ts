import { Buffer } from 'node:buffer';
import { compress, compressBound, decompress } from '../../src/compression/zstd.js';
import { serveTasks } from '../../src/workers/serve.js';

export interface Load {
  readonly seed: number;
  readonly rounds: number;
  readonly bytes: number;
}

export interface Result {
  /** Rounds that did not give back what went in. */
  readonly wrong: number;
}

function words(seed: number, bytes: number): Buffer {
  const out = Buffer.alloc(bytes);
  let state = seed + 1;
  for (let at = 0; at + 4 <= bytes; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    out.writeUInt32LE((state >>> 22) * 2_654_435, at);
  }
  return out;
}

serveTasks<null, Load, Result>(() => ({ seed, rounds, bytes }) => {
  let wrong = 0;
  for (let round = 0; round < rounds; round++) {
    const raw = words(seed * 1000 + round, bytes + round);
    const stored = compress(raw, { level: 1 + (round % 3) }, compressBound(raw.length));
    try {
      if (stored === undefined || !decompress(stored, raw.length, 'load').equals(raw)) wrong++;
    } catch {
      wrong++;
    }
  }
  return { reply: { wrong } };
});
