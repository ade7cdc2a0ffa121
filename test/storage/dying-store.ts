import type { Buffer } from 'node:buffer';
import { VarveError } from '../../src/errors/errors.js';
import type { Advice, ObjectInfo, ObjectType, Range, Store } from '../../src/storage/store.js';

const OBJECTS: readonly ObjectType[] = ['data', 'index', 'snapshots', 'locks'];

/** Takes a number of writes and removals, then nothing at all, as after a crash. */
export class Dying implements Store {
  readonly #store: Store;
  left = Number.POSITIVE_INFINITY;

  constructor(store: Store) {
    this.#store = store;
  }

  get location(): string {
    return this.#store.location;
  }

  #spend(): void {
    if (this.left-- <= 0) throw new VarveError('storage', 'the store is gone');
  }

  async create(): Promise<void> {
    await this.#store.create();
  }

  async put(type: ObjectType, name: string, parts: readonly Uint8Array[], advice?: Advice): Promise<void> {
    this.#spend();
    await this.#store.put(type, name, parts, advice);
  }

  async get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer> {
    return this.#store.get(type, name, range, advice);
  }

  stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    return this.#store.stat(type, name);
  }

  list(type: ObjectType): AsyncIterable<ObjectInfo> {
    return this.#store.list(type);
  }

  async remove(type: ObjectType, name: string): Promise<void> {
    this.#spend();
    await this.#store.remove(type, name);
  }

  now(): Promise<number> {
    return this.#store.now();
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

export type Image = readonly { readonly type: ObjectType; readonly name: string; readonly bytes: Buffer }[];

export async function imageOf(store: Store): Promise<Image> {
  const image: { type: ObjectType; name: string; bytes: Buffer }[] = [];
  for (const type of OBJECTS)
    for await (const { name } of store.list(type)) image.push({ type, name, bytes: await store.get(type, name) });
  return image;
}

export async function reset(store: Store, image: Image): Promise<void> {
  for (const type of OBJECTS) {
    const names: string[] = [];
    for await (const { name } of store.list(type)) names.push(name);
    for (const name of names) await store.remove(type, name);
  }
  for (const { type, name, bytes } of image) await store.put(type, name, [bytes]);
}
