import type { Buffer } from 'node:buffer';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { LocalStore } from '../../src/storage/local/local-store.js';
import type { ObjectType, Store } from '../../src/storage/store.js';
import { openBeneath } from './test-place.js';

/** The files behind a server, to damage them as a failing disk or an attacker would. */
export class Beneath {
  readonly #store: Store;

  private constructor(store: Store) {
    this.#store = store;
  }

  /** @param directory where the repository is when it is in files */
  static async open(directory: string): Promise<Beneath> {
    return new Beneath(await openBeneath(directory));
  }

  async names(type: ObjectType): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of this.#store.list(type)) names.push(name);
    return names.sort();
  }

  /** Names of the packs, the largest first. */
  async packs(): Promise<string[]> {
    const packs: { name: string; size: number }[] = [];
    for await (const info of this.#store.list('data')) packs.push(info);
    return packs.sort((a, b) => b.size - a.size).map(({ name }) => name);
  }

  get(type: ObjectType, name: string): Promise<Buffer> {
    return this.#store.get(type, name);
  }

  /** Undefined when there is no such object. */
  async find(type: ObjectType, name: string): Promise<Buffer | undefined> {
    return (await this.#store.stat(type, name)) && this.get(type, name);
  }

  /** Writes bytes under a name, even if an object exists or the name is not their hash. */
  async plant(type: ObjectType, name: string, bytes: Uint8Array): Promise<void> {
    if (this.#store instanceof LocalStore) mkdirSync(dirname(this.#store.filePath(type, name)), { recursive: true });
    await this.#store.replace(type, name, [bytes]);
  }

  async change(type: ObjectType, name: string, change: (bytes: Buffer) => Uint8Array): Promise<void> {
    await this.plant(type, name, change(await this.get(type, name)));
  }

  remove(type: ObjectType, name: string): Promise<void> {
    return this.#store.remove(type, name);
  }
}
