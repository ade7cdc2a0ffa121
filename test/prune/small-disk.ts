import { VarveError } from '../../src/errors/errors.js';
import type { Advice, ObjectType } from '../../src/storage/store.js';
import { ForwardingStore } from '../storage/forwarding-store.js';

/** What a small object takes of a disk. */
const BLOCK = 4096;

/** A store with so much space, in blocks as on a disk. */
export class SmallDisk extends ForwardingStore {
  /** Bytes that are left; undefined for no end. */
  #free = Number.POSITIVE_INFINITY;
  readonly #sizes = new Map<string, number>();

  set free(bytes: number) {
    this.#free = bytes;
  }

  get free(): number {
    return this.#free;
  }

  override async put(type: ObjectType, name: string, parts: readonly Uint8Array[], advice?: Advice): Promise<void> {
    const size = blocks(parts.reduce((sum, part) => sum + part.length, 0));
    if (size > this.#free) throw new VarveError('full', `cannot write ${type}/${name}: no space left on device`);
    this.#free -= size;
    this.#sizes.set(name, size);
    await super.put(type, name, parts, advice);
  }

  override async remove(type: ObjectType, name: string): Promise<void> {
    await super.remove(type, name);
    this.#free += this.#sizes.get(name) ?? 0;
    this.#sizes.delete(name);
  }
}

const blocks = (bytes: number): number => Math.ceil(bytes / BLOCK) * BLOCK;
