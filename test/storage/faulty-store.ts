import type { Buffer } from 'node:buffer';
import { VarveError } from '../../src/errors/errors.js';
import type { Extend } from '../../src/storage/guards/forwarding.js';
import type { LockedType, ObjectInfo, ObjectType, Range, Store } from '../../src/storage/store.js';
import { ForwardingStore } from './forwarding-store.js';

export type Method = 'create' | 'put' | 'replace' | 'get' | 'stat' | 'list' | 'remove' | 'now' | 'extend';

/** `before`: the request never came there. `after`: it was done, and the answer was lost. */
export type Fault = { readonly when: 'before' | 'after'; readonly error: Error } | undefined;

export const refused = (): VarveError =>
  new VarveError('storage', 'data: connection refused by store.example', { retryable: true });

/** A store whose requests fail as a test says. */
export class FaultyStore extends ForwardingStore {
  readonly asked: Method[] = [];
  #faults: (method: Method) => Fault;

  constructor(inner: Store, faults: (method: Method) => Fault) {
    super(inner);
    this.#faults = faults;
  }

  /** Fails so many times, of all requests or of those of one method. */
  static times(inner: Store, count: number, when: 'before' | 'after' = 'before', only?: Method): FaultyStore {
    let left = count;
    return new FaultyStore(inner, (method) =>
      (only === undefined || only === method) && left-- > 0 ? { when, error: refused() } : undefined,
    );
  }

  override get location(): string {
    return 'test:store';
  }

  override create(): Promise<void> {
    return this.#try('create', () => super.create());
  }

  override put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#try('put', () => super.put(type, name, parts));
  }

  override replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#try('replace', () => super.replace(type, name, parts));
  }

  override get(type: ObjectType, name: string, range?: Range): Promise<Buffer> {
    return this.#try('get', () => super.get(type, name, range));
  }

  override stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    return this.#try('stat', () => super.stat(type, name));
  }

  /** Breaks off after half of the names. */
  override async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    this.asked.push('list');
    const fault = this.#faults('list');
    const all = [];
    for await (const info of super.list(type)) all.push(info);
    if (fault === undefined) return yield* all;
    yield* all.slice(0, Math.ceil(all.length / 2));
    throw fault.error;
  }

  override remove(type: ObjectType, name: string): Promise<void> {
    return this.#try('remove', () => super.remove(type, name));
  }

  override now(): Promise<number> {
    return this.#try('now', () => super.now());
  }

  protected override extending(inner: Extend, type: LockedType, name: string): Promise<number> {
    return this.#try('extend', () => super.extending(inner, type, name));
  }

  async #try<T>(method: Method, action: () => Promise<T>): Promise<T> {
    this.asked.push(method);
    const fault = this.#faults(method);
    if (fault?.when === 'before') throw fault.error;
    const result = await action();
    if (fault !== undefined) throw fault.error;
    return result;
  }
}
