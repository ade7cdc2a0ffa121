import { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import type { Advice, LockedType, ObjectInfo, ObjectType, Range, Store } from '../store.js';
import { type Extend, ForwardingStore } from './forwarding.js';
import type { Retrier } from './retrier.js';

/** Retries failed requests so that nothing is lost and nothing happens twice. */
export class RetryingStore extends ForwardingStore {
  readonly #retrier: Retrier;

  constructor(inner: Store, retrier: Retrier) {
    super(inner);
    this.#retrier = retrier;
  }

  override create(): Promise<void> {
    return this.#run(() => super.create());
  }

  override put(type: ObjectType, name: string, parts: readonly Uint8Array[], advice?: Advice): Promise<void> {
    return this.#run((retry) => {
      const put = super.put(type, name, parts, advice);
      return type === 'config' && retry > 0 ? this.#settled(put, parts) : put;
    });
  }

  override replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#run(() => super.replace(type, name, parts));
  }

  override get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer> {
    return this.#run(() => super.get(type, name, range, advice));
  }

  override stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    return this.#run(() => super.stat(type, name));
  }

  /** Restarts a listing that breaks off, without yielding a name twice. */
  override async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    const yielded = new Set<string>();
    const tries = this.#retrier.begin(this.location);
    try {
      for (;;) {
        try {
          for await (const info of super.list(type)) {
            if (yielded.has(info.name)) continue;
            yielded.add(info.name);
            tries.progressed();
            yield info;
          }
          return;
        } catch (cause) {
          await tries.failed(cause);
        }
      }
    } finally {
      tries.done();
    }
  }

  override remove(type: ObjectType, name: string): Promise<void> {
    return this.#run(() => super.remove(type, name));
  }

  override now(): Promise<number> {
    return this.#run(() => super.now());
  }

  override close(): Promise<void> {
    this.#retrier.close();
    return super.close();
  }

  protected override extending(inner: Extend, type: LockedType, name: string): Promise<number> {
    return this.#run(() => super.extending(inner, type, name));
  }

  #run<T>(attempt: (retry: number) => Promise<T>): Promise<T> {
    return this.#retrier.run(this.location, attempt);
  }

  /** An earlier attempt whose answer was lost may have created the object. */
  async #settled(put: Promise<void>, parts: readonly Uint8Array[]): Promise<void> {
    try {
      await put;
    } catch (cause) {
      if (!(cause instanceof VarveError) || cause.code !== 'exists' || !(await this.#isThere(parts))) throw cause;
    }
  }

  async #isThere(parts: readonly Uint8Array[]): Promise<boolean> {
    return (await this.inner.get('config', 'config')).equals(Buffer.concat(parts));
  }
}
