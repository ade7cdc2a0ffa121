import { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import { HASH_NAME, type ObjectInfo, type ObjectType, objectPath, type Range, type Store } from '../store.js';

interface MemoryObject {
  readonly bytes: Buffer;
  readonly modified: number;
}

/** A store in memory, for tests and simulation. The clock is passed in (seconds since 1970). */
export class MemoryStore implements Store {
  readonly location: string = 'memory:';
  readonly #objects = new Map<string, MemoryObject>();
  readonly #clock: () => number;

  constructor(clock: () => number = () => Date.now() / 1000) {
    this.#clock = clock;
  }

  async create(): Promise<void> {}

  async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    const path = objectPath(type, name);
    if (this.#objects.has(path)) {
      if (type === 'config') throw new VarveError('exists', 'config already exists');
      return;
    }
    this.#objects.set(path, { bytes: Buffer.concat(parts), modified: this.#clock() });
  }

  async replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    this.#objects.set(objectPath(type, name), { bytes: Buffer.concat(parts), modified: this.#clock() });
  }

  async get(type: ObjectType, name: string, range?: Range): Promise<Buffer> {
    const path = objectPath(type, name);
    const object = this.#objects.get(path);
    if (object === undefined) throw new VarveError('not-found', `${path}: no such object`);
    if (range === undefined) return Buffer.from(object.bytes);
    if (range.offset + range.length > object.bytes.length) {
      throw new VarveError('damaged', `${path}: shorter than the index says`);
    }
    return Buffer.from(object.bytes.subarray(range.offset, range.offset + range.length));
  }

  async stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    const object = this.#objects.get(objectPath(type, name));
    return object && { name, size: object.bytes.length, modified: object.modified };
  }

  async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    const prefix = `${type}/`;
    for (const [path, object] of [...this.#objects]) {
      const name = path.slice(prefix.length);
      if (!path.startsWith(prefix) || !HASH_NAME.test(name)) continue;
      yield { name, size: object.bytes.length, modified: object.modified };
    }
  }

  async remove(type: ObjectType, name: string): Promise<void> {
    this.#objects.delete(objectPath(type, name));
  }

  async now(): Promise<number> {
    return this.#clock();
  }

  async close(): Promise<void> {}
}
