import { Buffer } from 'node:buffer';
import type { ObjectInfo, ObjectType, Range, Store } from '../../src/storage/store.js';
import type { Process } from './process.js';
import type { Shelf } from './shelf.js';

/** The store as one process sees it: each call waits until the scheduler says that it happens, or fails. */
export class SimulatedStore implements Store {
  readonly location = 'simulation:';
  readonly #process: Process;

  constructor(process: Process) {
    this.#process = process;
  }

  async create(): Promise<void> {}

  put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    const { world, host } = this.#process;
    const bytes = Buffer.concat(parts);
    if (type === 'snapshots') this.#process.writing = name;
    return this.#process.step({
      what: `put ${world.shelf.label(type, name)}`,
      changes: true,
      act: () => world.shelf.put(type, name, bytes, world.now + host.storeClock),
    });
  }

  async replace(): Promise<void> {
    throw new Error('nothing is damaged in a simulation');
  }

  get(type: ObjectType, name: string, range?: Range): Promise<Buffer> {
    const { world } = this.#process;
    const what = `get ${world.shelf.label(type, name)}`;
    return this.#process.step({ what, changes: false, act: () => world.shelf.get(type, name, range) });
  }

  stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    const { world } = this.#process;
    const what = `stat ${world.shelf.label(type, name)}`;
    return this.#process.step({ what, changes: false, act: () => world.shelf.stat(type, name) });
  }

  async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    const { world } = this.#process;
    const begun = await this.#process.step({
      what: `list ${type}`,
      changes: false,
      act: () => world.shelf.beginListing(type),
    });
    yield* await this.#process.step({
      what: `listed ${type}`,
      changes: false,
      act: () => world.shelf.endListing(begun, world.dice, world.odds.seen),
    });
  }

  remove(type: ObjectType, name: string): Promise<void> {
    const { world } = this.#process;
    const what = `remove ${world.shelf.label(type, name)}`;
    return this.#process.step({ what, changes: true, act: () => world.shelf.remove(type, name) });
  }

  async now(): Promise<number> {
    return this.#process.world.now + this.#process.host.storeClock;
  }

  async close(): Promise<void> {}
}

/** The store past the scheduler. */
export class ShelfStore implements Store {
  readonly location = 'simulation:';
  protected readonly shelf: Shelf;

  constructor(shelf: Shelf) {
    this.shelf = shelf;
  }

  async create(): Promise<void> {}

  async put(_type: ObjectType, _name: string, _parts: readonly Uint8Array[]): Promise<void> {
    throw new Error('nothing is written past the scheduler');
  }

  async replace(): Promise<void> {
    throw new Error('nothing is replaced past the scheduler');
  }

  async get(type: ObjectType, name: string, range?: Range): Promise<Buffer> {
    return this.shelf.get(type, name, range);
  }

  async stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    return this.shelf.stat(type, name);
  }

  async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    yield* this.shelf.list(type);
  }

  async remove(): Promise<void> {
    throw new Error('nothing is removed past the scheduler');
  }

  async now(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}
}
