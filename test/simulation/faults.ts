import { Buffer } from 'node:buffer';
import type { ObjectInfo, ObjectType, Range, Store } from '../../src/storage/store.js';
import { ForwardingStore } from '../storage/forwarding-store.js';
import type { Process } from './process.js';

/** Something that is broken on purpose, from the outside: between the code and its store. */
export interface Fault {
  /** What is broken, as a sentence. */
  readonly about: string;
  readonly store: (process: Process, store: Store) => Store;
}

/** What the simulation must find. Each takes away one thing that the protocol (SPEC.md section 13) relies on. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  'delete-first': {
    about: 'a prune deletes packs before the index objects that it wrote are durable',
    store: (process, store) => (process.operation === 'prune' ? new HoldingStore(store, 'index', ['locks']) : store),
  },
  'blind-to-others': {
    about: 'prunes do not see leases, and backups do not see what is condemned while they run',
    store: (process, store) => (process.operation === 'backup' ? new FrozenIndex(store) : new WithoutLeases(store)),
  },
  'early-answer': {
    about: "a backup's packs are durable only when it ends, though the store says that they are",
    store: (process, store) => (process.operation === 'backup' ? new HoldingStore(store, 'data', ['locks']) : store),
  },
};

/** Keeps objects of one type to itself until it removes something: only this process sees them, and they are lost when it is killed. */
class HoldingStore extends ForwardingStore {
  readonly #type: ObjectType;
  readonly #until: readonly ObjectType[];
  readonly #held = new Map<string, Buffer>();

  /** @param until the types of which a removal makes durable what was held */
  constructor(inner: Store, type: ObjectType, until: readonly ObjectType[]) {
    super(inner);
    this.#type = type;
    this.#until = until;
  }

  override async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    if (type !== this.#type) return this.inner.put(type, name, parts);
    this.#held.set(name, Buffer.concat(parts));
  }

  override async get(type: ObjectType, name: string, range?: Range): Promise<Buffer> {
    const held = type === this.#type ? this.#held.get(name) : undefined;
    if (held === undefined) return this.inner.get(type, name, range);
    return Buffer.from(range === undefined ? held : held.subarray(range.offset, range.offset + range.length));
  }

  override async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    yield* this.inner.list(type);
    if (type === this.#type) for (const [name, { length }] of this.#held) yield { name, size: length };
  }

  override async remove(type: ObjectType, name: string): Promise<void> {
    for (const [held, bytes] of this.#until.includes(type) ? this.#held : []) {
      await this.inner.put(this.#type, held, [bytes]);
      this.#held.delete(held);
    }
    await this.inner.remove(type, name);
  }
}

class WithoutLeases extends ForwardingStore {
  override async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    if (type !== 'locks') yield* this.inner.list(type);
  }
}

/** Lists the index as it was when the lease was written, and what this process has added. */
class FrozenIndex extends ForwardingStore {
  readonly #known = new Set<string>();
  #frozen = false;

  override async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    if (type === 'locks') this.#frozen = true;
    if (type === 'index') this.#known.add(name);
    await this.inner.put(type, name, parts);
  }

  override async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    for await (const info of this.inner.list(type)) {
      if (type === 'index' && !this.#frozen) this.#known.add(info.name);
      if (type !== 'index' || this.#known.has(info.name)) yield info;
    }
  }
}
