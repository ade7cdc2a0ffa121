import { Buffer } from 'node:buffer';
import { VarveError } from '../../src/errors/errors.js';
import { type ObjectInfo, type ObjectType, objectPath, type Range } from '../../src/storage/store.js';
import type { Dice } from './dice.js';

interface Shelved {
  readonly type: ObjectType;
  readonly name: string;
  readonly bytes: Buffer;
  /** Seconds since 1970. */
  readonly modified: number;
}

/** A listing that has begun: the objects at that time, and the number of all that were ever put. */
export interface Listing {
  readonly type: ObjectType;
  readonly before: readonly Shelved[];
  readonly puts: number;
}

/** The durable objects of a simulated store. Their names are random, so the trace has their numbers in order of creation. */
export class Shelf {
  readonly #objects = new Map<string, Shelved>();
  readonly #numbers = new Map<string, number>();
  /** All objects that were ever put, in order. */
  readonly #puts: Shelved[] = [];

  /** `data#12`, the same in every run with the same seed. */
  label(type: ObjectType, name: string): string {
    const path = objectPath(type, name);
    const number = this.#numbers.get(path) ?? this.#numbers.size;
    this.#numbers.set(path, number);
    return `${type}#${number}`;
  }

  put(type: ObjectType, name: string, bytes: Buffer, modified: number): void {
    const path = objectPath(type, name);
    if (this.#objects.has(path)) return;
    const object = { type, name, bytes, modified };
    this.#objects.set(path, object);
    this.#puts.push(object);
  }

  has(type: ObjectType, name: string): boolean {
    return this.#objects.has(objectPath(type, name));
  }

  get(type: ObjectType, name: string, range?: Range): Buffer {
    const path = objectPath(type, name);
    const bytes = this.#objects.get(path)?.bytes;
    if (bytes === undefined) throw new VarveError('not-found', `${path}: no such object`);
    if (range === undefined) return Buffer.from(bytes);
    if (range.offset + range.length > bytes.length)
      throw new VarveError('damaged', `${path}: shorter than the index says`);
    return Buffer.from(bytes.subarray(range.offset, range.offset + range.length));
  }

  stat(type: ObjectType, name: string): ObjectInfo | undefined {
    const object = this.#objects.get(objectPath(type, name));
    return object && infoOf(object);
  }

  remove(type: ObjectType, name: string): void {
    this.#objects.delete(objectPath(type, name));
  }

  /** Replaces an object's bytes under the same name. */
  damage(type: ObjectType, name: string): void {
    const object = this.#objects.get(objectPath(type, name));
    if (object === undefined) return;
    const bytes = Buffer.from(object.bytes);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
    this.#objects.set(objectPath(type, name), { ...object, bytes });
  }

  list(type: ObjectType): ObjectInfo[] {
    return this.#of(type).map(infoOf);
  }

  beginListing(type: ObjectType): Listing {
    return { type, before: this.#of(type), puts: this.#puts.length };
  }

  /** All objects that existed during the whole listing, and some of those that came or went, in random order. */
  endListing({ type, before, puts }: Listing, dice: Dice, seen: number): ObjectInfo[] {
    const here = (object: Shelved): boolean => this.#objects.get(objectPath(type, object.name)) === object;
    const sure = before.filter(here);
    const came = this.#puts.slice(puts).filter((object) => object.type === type);
    const unsure = [...before.filter((object) => !here(object)), ...came].filter(() => dice.chance(seen));
    return dice.shuffled([...sure, ...unsure]).map(infoOf);
  }

  #of(type: ObjectType): Shelved[] {
    return [...this.#objects.values()].filter((object) => object.type === type);
  }
}

const infoOf = ({ name, bytes, modified }: Shelved): ObjectInfo => ({ name, size: bytes.length, modified });
