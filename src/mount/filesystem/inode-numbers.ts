// Inode numbers that stay the same from mount to mount.
// Which entries share a number is decided in entries.ts.

/** An inode number as two halves of 32 bits. */
export interface InodeNumber {
  readonly low: number;
  readonly high: number;
}

/**
 * Derives inode numbers from names, so that they are the same whenever the repository is mounted. The seed is secret,
 * so that names cannot be chosen to collide.
 */
export class InodeNumbers {
  readonly #seed: readonly [number, number];

  constructor(seed: readonly [number, number]) {
    this.#seed = seed;
  }

  /** The number of a name in a directory. */
  named(directory: InodeNumber, name: Uint8Array): InodeNumber {
    let [a, b] = this.#begin(directory);
    for (let i = 0; i < name.length; i++) {
      const byte = name[i] as number;
      a = Math.imul(a ^ byte, 0x0100_0193);
      b = Math.imul(b ^ (byte + 0x9e), 0x85eb_ca6b);
      b ^= b >>> 15;
    }
    return finish(a, b ^ name.length);
  }

  /** The number of a hard-linked file. @param root the number of the snapshot's root */
  linked(root: InodeNumber, device: number | bigint, inode: number | bigint): InodeNumber {
    let [a, b] = this.#begin(root);
    for (const value of [BigInt(device), BigInt(inode)]) {
      for (const word of [Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn)]) {
        a = mix(a ^ word);
        b = mix(Math.imul(b, 5) + (word ^ 0x5bd1_e995));
      }
    }
    return finish(a, b);
  }

  #begin({ low, high }: InodeNumber): [number, number] {
    return [mix(this.#seed[0] ^ low ^ Math.imul(high, 3)), mix(this.#seed[1] + Math.imul(low, 7) + high)];
  }
}

/** MurmurHash3's finalizer. */
function mix(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}

/** Avoids 0, which is no inode, and 1, which is the root's. */
function finish(a: number, b: number): InodeNumber {
  const low = (mix(a) ^ Math.imul(mix(b), 0x27d4_eb2f)) >>> 0;
  const high = mix(b ^ Math.imul(a, 0x1656_67b1)) >>> 0;
  return { low: low < 2 ? low + 2 : low, high };
}
