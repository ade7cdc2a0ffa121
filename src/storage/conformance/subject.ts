// The store under test, and helpers of the checks.
// The checks are in the other files of this directory.
import { AssertionError } from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash, randomFillSync } from 'node:crypto';
import { type ErrorCode, VarveError } from '../../errors/errors.js';
import type { ObjectInfo, ObjectType, Store } from '../store.js';

/** A store under test, empty when a check begins. */
export interface Subject {
  readonly store: Store;
  /** The same location through another client that shares no cache. */
  readonly other: Store;
  /** Writes an object that varve did not write; absent where that is impossible. */
  readonly plant?: ((type: ObjectType, name: string, bytes: Buffer) => Promise<void>) | undefined;
  /** Whether replace leaves the object missing for a moment, because the store cannot overwrite. */
  readonly replacesInTwoSteps?: boolean | undefined;
}

/** A promise of the contract of the Store interface. */
export interface Check {
  readonly what: string;
  /** Whether the check needs `plant`. */
  readonly plants?: true;
  /** Throws when the promise is not kept. */
  readonly run: (subject: Subject) => Promise<void>;
}

/** The namespaces whose objects are named by their hash. */
export const HASHED: readonly ObjectType[] = ['keys', 'data', 'index', 'snapshots', 'locks'];

export interface TestObject {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Random bytes, with their name. */
export function object(length: number): TestObject {
  const bytes = randomFillSync(Buffer.alloc(length));
  return { name: createHash('sha256').update(bytes).digest('hex'), bytes };
}

/** This many objects, all different. */
export function objects(count: number, length: (at: number) => number): TestObject[] {
  const distinct = new Map<string, TestObject>();
  for (let at = 0; distinct.size < count; at++) {
    const each = object(length(at));
    distinct.set(each.name, each);
  }
  return [...distinct.values()];
}

export async function listed(store: Store, type: ObjectType): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for await (const info of store.list(type)) found.push(info);
  return found;
}

export async function names(store: Store, type: ObjectType): Promise<string[]> {
  return (await listed(store, type)).map(({ name }) => name).sort();
}

/** @throws AssertionError with a message for people who do not know varve's sources */
export function demand(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError({ message });
}

export function demandSame(got: Uint8Array, wanted: Uint8Array, what: string): void {
  demand(got.length === wanted.length, `${what}: ${got.length} bytes came back instead of ${wanted.length}`);
  demand(Buffer.compare(got, wanted) === 0, `${what}: other bytes came back than were written`);
}

export function demandNames(got: readonly string[], wanted: readonly string[], what: string): void {
  const missing = wanted.filter((name) => !got.includes(name));
  const extra = got.filter((name) => !wanted.includes(name));
  demand(missing.length === 0, `${what}: ${missing.length} objects are missing from the list, such as ${missing[0]}`);
  demand(extra.length === 0, `${what}: the list has ${extra.length} unexpected names, such as ${extra[0]}`);
  demand(got.length === wanted.length, `${what}: the list has objects twice`);
}

/** @param named a text that the message must contain */
export async function demandError(request: Promise<unknown>, code: ErrorCode, what: string, named = ''): Promise<void> {
  const cause = await request.then(
    () => undefined,
    (error: unknown) => error,
  );
  demand(cause !== undefined, `${what}: succeeded, and must fail (${code})`);
  if (!(cause instanceof VarveError)) throw cause;
  demand(cause.code === code, `${what}: must fail with "${code}", not with "${cause.code}": ${cause.message}`);
  demand(cause.message.includes(named), `${what}: the error does not name ${named}: ${cause.message}`);
}
