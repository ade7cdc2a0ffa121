import type { Buffer } from 'node:buffer';
import { VarveError } from '../../src/errors/errors.js';
import type { Advice, ObjectType, Store } from '../../src/storage/store.js';
import type { Beneath } from '../servers/beneath.js';
import { ForwardingStore } from './forwarding-store.js';

const OBJECTS: readonly ObjectType[] = ['keys', 'data', 'index', 'snapshots', 'locks'];

/** Takes a number of writes and removals, then nothing at all, as after a crash. */
export class Dying extends ForwardingStore {
  left = Number.POSITIVE_INFINITY;

  #spend(): void {
    if (this.left-- <= 0) throw new VarveError('storage', 'the store is gone');
  }

  override async put(type: ObjectType, name: string, parts: readonly Uint8Array[], advice?: Advice): Promise<void> {
    this.#spend();
    await super.put(type, name, parts, advice);
  }

  override async replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    this.#spend();
    await super.replace(type, name, parts);
  }

  override async remove(type: ObjectType, name: string): Promise<void> {
    this.#spend();
    await super.remove(type, name);
  }
}

export type Image = readonly { readonly type: ObjectType; readonly name: string; readonly bytes: Buffer }[];

export async function imageOf(store: Store): Promise<Image> {
  const image: { type: ObjectType; name: string; bytes: Buffer }[] = [];
  for (const type of OBJECTS)
    for await (const { name } of store.list(type)) image.push({ type, name, bytes: await store.get(type, name) });
  return image;
}

/** @param beneath takes what is damaged, too */
export async function reset(store: Store, beneath: Beneath, image: Image): Promise<void> {
  for (const type of OBJECTS) {
    const names: string[] = [];
    for await (const { name } of store.list(type)) names.push(name);
    for (const name of names) await store.remove(type, name);
  }
  for (const { type, name, bytes } of image) await beneath.plant(type, name, bytes);
}
