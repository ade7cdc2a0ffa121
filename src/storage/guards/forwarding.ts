// The base of all guards: forwards every request.
// Each guard overrides what it changes.
import type { Buffer } from 'node:buffer';
import type { Advice, LockedType, ObjectInfo, ObjectType, Range, Store } from '../store.js';

export type Extend = NonNullable<Store['extend']>;

/** Forwards all requests to the inner store; the base of all guards. */
export class ForwardingStore implements Store {
  protected readonly inner: Store;
  readonly filePath: Store['filePath'];
  readonly discard: Store['discard'];
  readonly extend: Store['extend'];

  constructor(inner: Store) {
    this.inner = inner;
    this.filePath = inner.filePath?.bind(inner);
    this.discard = inner.discard?.bind(inner);
    this.extend = inner.extend && this.extending.bind(this, inner.extend.bind(inner));
  }

  get location(): string {
    return this.inner.location;
  }

  get connections(): number | undefined {
    return this.inner.connections;
  }

  get lockSeconds(): number | undefined {
    return this.inner.lockSeconds;
  }

  create(): Promise<void> {
    return this.inner.create();
  }

  put(type: ObjectType, name: string, parts: readonly Uint8Array[], advice?: Advice): Promise<void> {
    return this.inner.put(type, name, parts, advice);
  }

  replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.inner.replace(type, name, parts);
  }

  get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer> {
    return this.inner.get(type, name, range, advice);
  }

  stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    return this.inner.stat(type, name);
  }

  list(type: ObjectType): AsyncIterable<ObjectInfo> {
    return this.inner.list(type);
  }

  remove(type: ObjectType, name: string): Promise<void> {
    return this.inner.remove(type, name);
  }

  now(): Promise<number> {
    return this.inner.now();
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  /** The work of `extend`, where the inner store has it. */
  protected extending(inner: Extend, type: LockedType, name: string): Promise<number> {
    return inner(type, name);
  }
}
