import type { Buffer } from 'node:buffer';
import pLimit, { type LimitFunction } from 'p-limit';
import { VarveError } from '../../errors/errors.js';
import type { Advice, LockedType, ObjectInfo, ObjectType, Range, Store } from '../store.js';
import { idleSecondsOf } from '../transport/idle-timeout.js';
import { type Extend, ForwardingStore } from './forwarding.js';

/**
 * Names of a listing to read in one turn. The reader of the listing may make requests itself, so the turn ends before the reader gets the
 * names.
 */
const NAMES = 1000;

/**
 * Limits concurrent requests, first come, first served. The limit falls while attempts fail, down to one: over an unstable connection or to
 * a busy server, five requests at a time may all fail for ever, while single requests succeed.
 */
export class LimitedStore extends ForwardingStore {
  readonly #turn: LimitFunction;
  readonly #most: number;

  constructor(inner: Store, connections: number) {
    super(inner);
    this.#turn = pLimit(connections);
    this.#most = connections;
  }

  override get connections(): number {
    return this.#most;
  }

  override create(): Promise<void> {
    return this.#inTurn(() => super.create());
  }

  override put(type: ObjectType, name: string, parts: readonly Uint8Array[], advice?: Advice): Promise<void> {
    return this.#inTurn(() => super.put(type, name, parts, advice));
  }

  override replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#inTurn(() => super.replace(type, name, parts));
  }

  override get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer> {
    return this.#inTurn(() => super.get(type, name, range, advice));
  }

  override stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    return this.#inTurn(() => super.stat(type, name));
  }

  override async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    const names = super.list(type)[Symbol.asyncIterator]();
    try {
      for (let more = true; more; ) {
        const taken: ObjectInfo[] = [];
        more = await this.#inTurn(() => take(names, taken));
        yield* taken;
      }
    } finally {
      await names.return?.();
    }
  }

  async #inTurn<T>(request: () => Promise<T>): Promise<T> {
    try {
      const result = await this.#turn(request);
      if (this.#turn.concurrency < this.#most) this.#turn.concurrency++;
      return result;
    } catch (cause) {
      this.#turn.concurrency = this.#after(cause);
      throw cause;
    }
  }

  /** A stalled server gains nothing from fewer requests; asking one at a time would only take longer. */
  #after(cause: unknown): number {
    if (!(cause instanceof VarveError) || !cause.retryable) return this.#turn.concurrency;
    return idleSecondsOf(cause) > 0 ? this.#most : Math.max(1, Math.floor(this.#turn.concurrency / 2));
  }

  override remove(type: ObjectType, name: string): Promise<void> {
    return this.#inTurn(() => super.remove(type, name));
  }

  override now(): Promise<number> {
    return this.#inTurn(() => super.now());
  }

  protected override extending(inner: Extend, type: LockedType, name: string): Promise<number> {
    return this.#inTurn(() => super.extending(inner, type, name));
  }
}

/** @returns whether there may be more names */
async function take(names: AsyncIterator<ObjectInfo>, taken: ObjectInfo[]): Promise<boolean> {
  while (taken.length < NAMES) {
    const next = await names.next();
    if (next.done === true) return false;
    taken.push(next.value);
  }
  return true;
}
