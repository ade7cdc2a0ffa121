import type { Buffer } from 'node:buffer';
import pLimit, { type LimitFunction } from 'p-limit';
import type { Advice, LockedType, ObjectInfo, ObjectType, Range, Store } from '../store.js';
import { type Extend, PassingStore } from './passing.js';

/** Names of a listing that are taken in one turn: who listens to them may make requests of its own, so the turn ends before it does. */
const NAMES = 1000;

/** So many requests at a time; who comes first is served first. */
export class LimitedStore extends PassingStore {
  readonly #turn: LimitFunction;

  constructor(inner: Store, connections: number) {
    super(inner);
    this.#turn = pLimit(connections);
  }

  override get connections(): number {
    return this.#turn.concurrency;
  }

  override create(): Promise<void> {
    return this.#turn(() => super.create());
  }

  override put(type: ObjectType, name: string, parts: readonly Uint8Array[], advice?: Advice): Promise<void> {
    return this.#turn(() => super.put(type, name, parts, advice));
  }

  override replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#turn(() => super.replace(type, name, parts));
  }

  override get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer> {
    return this.#turn(() => super.get(type, name, range, advice));
  }

  override stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    return this.#turn(() => super.stat(type, name));
  }

  override async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    const names = super.list(type)[Symbol.asyncIterator]();
    try {
      for (let more = true; more; ) {
        const taken: ObjectInfo[] = [];
        more = await this.#turn(() => take(names, taken));
        yield* taken;
      }
    } finally {
      await names.return?.();
    }
  }

  override remove(type: ObjectType, name: string): Promise<void> {
    return this.#turn(() => super.remove(type, name));
  }

  override now(): Promise<number> {
    return this.#turn(() => super.now());
  }

  protected override extending(inner: Extend, type: LockedType, name: string): Promise<number> {
    return this.#turn(() => super.extending(inner, type, name));
  }
}

/** @returns whether there may be more */
async function take(names: AsyncIterator<ObjectInfo>, taken: ObjectInfo[]): Promise<boolean> {
  while (taken.length < NAMES) {
    const next = await names.next();
    if (next.done === true) return false;
    taken.push(next.value);
  }
  return true;
}
