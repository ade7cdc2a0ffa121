import { ForwardingStore } from '../../src/storage/guards/forwarding.js';
import type { Advice, ObjectInfo, ObjectType, Store } from '../../src/storage/store.js';

/** A store by a clock that the test moves: what it has not put itself is as new as when it is first seen. */
export class ClockedStore extends ForwardingStore {
  readonly #clock: () => number;
  readonly #times = new Map<string, number>();

  constructor(inner: Store, clock: () => number) {
    super(inner);
    this.#clock = clock;
  }

  override async put(type: ObjectType, name: string, parts: readonly Uint8Array[], advice?: Advice): Promise<void> {
    await super.put(type, name, parts, advice);
    this.#time(name);
  }

  override async replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    await super.replace(type, name, parts);
    this.#times.delete(name);
    this.#time(name);
  }

  override async remove(type: ObjectType, name: string): Promise<void> {
    await super.remove(type, name);
    this.#times.delete(name);
  }

  override async stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    const info = await super.stat(type, name);
    return info && this.#told(info);
  }

  override async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    for await (const info of super.list(type)) yield this.#told(info);
  }

  override async now(): Promise<number> {
    return this.#clock();
  }

  /** Without a time where the store has none. */
  #told(info: ObjectInfo): ObjectInfo {
    return info.modified === undefined ? info : { ...info, modified: this.#time(info.name) };
  }

  #time(name: string): number {
    const time = this.#times.get(name) ?? this.#clock();
    this.#times.set(name, time);
    return time;
  }
}
