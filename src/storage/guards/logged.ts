import type { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import {
  type Advice,
  type LockedType,
  type ObjectInfo,
  type ObjectType,
  objectPath,
  type Range,
  type Store,
} from '../store.js';
import { type Extend, ForwardingStore } from './forwarding.js';

/** Logs each request: time, kind, object, bytes, milliseconds and result. */
export class LoggedStore extends ForwardingStore {
  readonly #write: (line: string) => void;

  constructor(inner: Store, write: (line: string) => void) {
    super(inner);
    this.#write = write;
  }

  override create(): Promise<void> {
    return this.#log('create', this.location, super.create());
  }

  override put(type: ObjectType, name: string, parts: readonly Uint8Array[], advice?: Advice): Promise<void> {
    return this.#log('put', objectPath(type, name), super.put(type, name, parts, advice), () => lengthOf(parts));
  }

  override replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    return this.#log('replace', objectPath(type, name), super.replace(type, name, parts), () => lengthOf(parts));
  }

  override get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer> {
    const part = range === undefined ? '' : ` from ${range.offset}`;
    const got = super.get(type, name, range, advice);
    return this.#log('get', objectPath(type, name) + part, got, (bytes) => `${bytes.length} B`);
  }

  override stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined> {
    const details = (info: ObjectInfo | undefined): string => (info === undefined ? 'not there' : `of ${info.size} B`);
    return this.#log('stat', objectPath(type, name), super.stat(type, name), details);
  }

  /** One line for a listing, however many requests it takes. The time excludes the reader's own work. */
  override async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
    let names = 0;
    let waited = 0;
    const inner = super.list(type)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const began = performance.now();
        const next = await inner.next().finally(() => {
          waited += performance.now() - began;
        });
        if (next.done === true) break;
        names++;
        yield next.value;
      }
      this.#line('list', type, `${names} names`, waited, 'ok');
    } catch (cause) {
      this.#line('list', type, `${names} names`, waited, outcomeOf(cause));
      throw cause;
    } finally {
      await inner.return?.();
    }
  }

  override remove(type: ObjectType, name: string): Promise<void> {
    return this.#log('remove', objectPath(type, name), super.remove(type, name));
  }

  override now(): Promise<number> {
    return this.#log('now', this.location, super.now());
  }

  protected override extending(inner: Extend, type: LockedType, name: string): Promise<number> {
    const details = (until: number): string => `until ${new Date(until * 1000).toISOString()}`;
    return this.#log('extend', objectPath(type, name), super.extending(inner, type, name), details);
  }

  async #log<T>(
    method: string,
    of: string,
    request: Promise<T>,
    details: (result: T) => string = () => '',
  ): Promise<T> {
    const began = performance.now();
    try {
      const result = await request;
      this.#line(method, of, details(result), performance.now() - began, 'ok');
      return result;
    } catch (cause) {
      this.#line(method, of, '', performance.now() - began, outcomeOf(cause));
      throw cause;
    }
  }

  #line(method: string, of: string, details: string, milliseconds: number, outcome: string): void {
    const words = [new Date().toISOString(), method.padEnd(7), of, details, `${milliseconds.toFixed(1)} ms`, outcome];
    this.#write(words.filter((each) => each !== '').join(' '));
  }
}

function outcomeOf(cause: unknown): string {
  const { code, message, retryable } = VarveError.from(cause);
  return `${code}${retryable ? ', retryable' : ''}: ${message}`;
}

function lengthOf(parts: readonly Uint8Array[]): string {
  return `${parts.reduce((sum, part) => sum + part.length, 0)} B`;
}
