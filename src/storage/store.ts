// The contract of an object store.
// The stores are in the directories beside; conformance/ tests it.
import type { Buffer } from 'node:buffer';

/** The namespaces of a repository (SPEC.md section 2). `config` is a single object, its name is always `config`. */
export type ObjectType = 'config' | 'keys' | 'data' | 'index' | 'snapshots' | 'locks';

/** Every type that a store with Object Lock locks: all but leases, which come and go. */
export type LockedType = Exclude<ObjectType, 'locks'>;

export interface ObjectInfo {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Seconds since 1970 by the store's clock; undefined where the store keeps no times. */
  readonly modified?: number;
}

export interface Range {
  readonly offset: number;
  readonly length: number;
}

/** Hints for a request. */
export interface Advice {
  /** The object will be read again on this machine, so a cache should keep it. */
  readonly keep?: boolean;
  /** Optional destination buffer; the result may then be a view of it. Otherwise the result has its own memory. */
  readonly into?: Buffer;
}

/**
 * An object store. The layers above rely on these promises, and on nothing else:
 *
 * - **put** creates an object whole or not at all: no reader ever sees a part of it. It never changes an existing object. When put
 *   resolves, the object is durable. To put a hash-named object that exists succeeds and changes nothing; to put `config` a second
 *   time fails with code `exists`. Callers leave `parts` unchanged until put resolves.
 * - **replace** overwrites a damaged hash-named object with the bytes that its name proves. A reader, at any time and after any crash,
 *   finds either the old bytes or all new bytes. When replace resolves, they are durable. A store that cannot overwrite (REST) removes
 *   the object first: only there the object is missing for a moment, and stays missing after a crash at that moment.
 * - **get** returns exactly the object, or exactly the range. A range beyond the end is an error (`damaged`). A missing object is an
 *   error with code `not-found`.
 * - **list** yields, in no order, each object that existed before the call and was not removed during it. Objects that appear or
 *   disappear during the call may or may not be listed. It skips names that varve did not write (not 64 hex digits).
 * - **remove** succeeds when the object is gone, even if it did not exist.
 * - **extend**, in a store with Object Lock: no user can remove or change an object before its lock ends, so prune extends the locks of
 *   objects in use. A lock is never shortened. A missing object is an error with code `not-found`.
 * - Errors are VarveErrors that name the object; `retryable` says whether another attempt can help.
 */
export interface Store {
  /** The location as the user wrote it, without secrets. */
  readonly location: string;
  /**
   * The useful number of concurrent requests; undefined when only this machine's own speed limits it. A listing does not count while its
   * reader works on a name.
   */
  readonly connections?: number | undefined;
  /** Prepares an empty location for a repository. */
  create(): Promise<void>;
  put(type: ObjectType, name: string, parts: readonly Uint8Array[], advice?: Advice): Promise<void>;
  replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void>;
  get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer>;
  stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined>;
  list(type: ObjectType): AsyncIterable<ObjectInfo>;
  remove(type: ObjectType, name: string): Promise<void>;
  /** The file of an object, where the store is a local directory: worker threads read it directly. */
  readonly filePath?: ((type: ObjectType, name: string) => string) | undefined;
  /** Seconds since 1970 by the store's clock. */
  now(): Promise<number>;
  /** Seconds for which a new object is locked; undefined without Object Lock. */
  readonly lockSeconds?: number | undefined;
  /**
   * Locks an object for as long as a new one, unless its lock lasts long enough (`isLongEnough`). Present when `lockSeconds` is.
   *
   * @returns the end of the lock, seconds since 1970
   */
  readonly extend?: ((type: LockedType, name: string) => Promise<number>) | undefined;
  /** Removes what `create` made: the directories, when they are empty. */
  readonly discard?: (() => Promise<void>) | undefined;
  /** Ends connections and programs. Running requests fail. */
  close(): Promise<void>;
}

export const HASH_NAME = /^[0-9a-f]{64}$/;

/** The name of an object in errors and logs: `data/abcd…`. */
export function objectPath(type: ObjectType, name: string): string {
  return type === 'config' ? 'config' : `${type}/${name}`;
}
