import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { type DamageableRepository, KINDS, type Kind, TYPES } from './damageable-repository.js';

export const WAYS = ['flipped', 'truncated', 'emptied', 'deleted', 'foreign', 'swapped'] as const;
export type Way = (typeof WAYS)[number];

/** Numbers that follow from a seed. */
export class Chance {
  readonly #seed: string;
  #drawn = 0;

  constructor(seed: string) {
    this.#seed = seed;
  }

  /** From 0 to below the limit. */
  below(limit: number): number {
    const word = createHash('sha256')
      .update(`${this.#seed} ${this.#drawn++}`)
      .digest()
      .readUIntBE(0, 6);
    return word % limit;
  }

  of<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }
}

/** Something that was done to objects. */
export interface Damage {
  readonly kind: Kind;
  readonly way: Way;
  /** Names of the objects that are not as they were. */
  readonly names: readonly string[];
  heal(): Promise<void>;
}

/** Damages an object of the kind that the seed chooses, in the way that it chooses. */
export async function damage(
  damageable: DamageableRepository,
  foreign: Readonly<Record<Kind, Buffer>>,
  seed: number,
): Promise<Damage> {
  const chance = new Chance(String(seed));
  const kind = KINDS[seed % KINDS.length] as Kind;
  const way = chance.of(WAYS.filter((each) => each !== 'swapped' || damageable.objects[kind].length > 1));
  const name = chance.of(damageable.objects[kind]);
  const other = chance.of(damageable.objects[kind].filter((each) => each !== name)) ?? name;
  const names = way === 'swapped' ? [name, other] : [name];
  const { beneath } = damageable;
  const type = TYPES[kind];
  const before = await Promise.all(names.map((each) => beneath.get(type, each)));
  const bytes = before[0] as Buffer;
  const put = (changed: Buffer): Promise<void> => beneath.plant(type, name, changed);
  if (way === 'flipped') await put(flipped(bytes, chance));
  else if (way === 'truncated') await put(bytes.subarray(0, 1 + chance.below(bytes.length - 1)));
  else if (way === 'emptied') await put(Buffer.alloc(0));
  else if (way === 'deleted') await beneath.remove(type, name);
  else if (way === 'foreign') await put(foreign[kind]);
  else for (const [at, each] of names.entries()) await beneath.plant(type, each, before[1 - at] as Buffer);
  const heal = async (): Promise<void> => {
    for (const [at, each] of names.entries()) await beneath.plant(type, each, before[at] as Buffer);
  };
  return { kind, way, names, heal };
}

function flipped(bytes: Buffer, chance: Chance): Buffer {
  const out = Buffer.from(bytes);
  const at = chance.below(out.length);
  out[at] = (out[at] as number) ^ (1 << chance.below(8));
  return out;
}
