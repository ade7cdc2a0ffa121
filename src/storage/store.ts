import type { Buffer } from 'node:buffer';

/** The namespaces of a repository (SPEC.md section 2). `config` is a single object, its name is always `config`. */
export type ObjectType = 'config' | 'keys' | 'data' | 'index' | 'snapshots' | 'locks';

/** Leases come and go; all else is locked, where a store locks. */
export type LockedType = Exclude<ObjectType, 'locks'>;

export interface ObjectInfo {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Seconds since 1970 by the store's clock, where the store tells. */
  readonly modified?: number;
}

export interface Range {
  readonly offset: number;
  readonly length: number;
}

/** Advice for a cache between here and the store. */
export interface Advice {
  /** The object will be read again on this machine: a pack of trees. */
  readonly keep?: boolean;
  /** Memory that what is got may be put into: what is returned is then a part of it. Without, it is memory of its own. */
  readonly room?: Buffer;
}

/**
 * An object store. What every implementation promises, and all that the layers above rely on:
 *
 * - **put** creates an object whole or not at all: no reader ever sees a part of it, and an object that exists is not
 *   changed. When put resolves, the object is durable. Putting a hash-named object that is there already succeeds and
 *   changes nothing; putting `config` twice fails with code `exists`. Callers keep `parts` unchanged until it resolves.
 * - **replace** is for a hash-named object that is damaged, and bytes that its name proves: whoever reads, and a crash at any
 *   moment, finds either what was there or the new bytes whole. When it resolves, they are durable. A store that cannot
 *   overwrite (REST) removes first: there, and only there, for a moment nothing is found, and a crash may leave nothing.
 * - **get** returns exactly the object, or exactly the range; a range that goes past the end is an error (`damaged`).
 *   A missing object is an error with code `not-found`.
 * - **list** yields each object that was there before the call and not removed during it, in no order; objects that come
 *   and go during the call may or may not be seen. Names that varve did not write (not 64 hex digits) are left out.
 * - **remove** succeeds when the object is gone, also when it was not there.
 * - **extend**, in a store that locks what is put for a term (Object Lock): nobody can remove or change an object before its lock ends, so what is still
 *   in use is locked anew in time. A lock only ever grows. A missing object is an error with code `not-found`.
 * - Errors are VarveErrors that name the object; `retryable` says whether a second try can help.
 */
export interface Store {
  /** Where it is, as the user wrote it, without secrets. */
  readonly location: string;
  /**
   * Requests that it pays to have under way at a time; where it is not said, what this machine can do itself limits. A listing is none while who
   * listens to it is at work.
   */
  readonly connections?: number | undefined;
  /** Prepares an empty place for a repository. */
  create(): Promise<void>;
  put(type: ObjectType, name: string, parts: readonly Uint8Array[], advice?: Advice): Promise<void>;
  replace(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void>;
  get(type: ObjectType, name: string, range?: Range, advice?: Advice): Promise<Buffer>;
  stat(type: ObjectType, name: string): Promise<ObjectInfo | undefined>;
  list(type: ObjectType): AsyncIterable<ObjectInfo>;
  remove(type: ObjectType, name: string): Promise<void>;
  /** The file that an object is, where the store is a directory of this machine: worker threads read it themselves. */
  readonly filePath?: ((type: ObjectType, name: string) => string) | undefined;
  /** Seconds since 1970 by the store's clock. */
  now(): Promise<number>;
  /** Seconds for which what is put is locked; undefined where nothing is. */
  readonly lockSeconds?: number | undefined;
  /**
   * Locks an object for as long as one that is put now, unless it stays locked for long enough (`isLongEnough`). There where `lockSeconds` is.
   *
   * @returns until when it is locked now, seconds since 1970
   */
  readonly extend?: ((type: LockedType, name: string) => Promise<number>) | undefined;
  /** Removes what `create` prepared, where that is more than a name: the directories, when nothing else is in them. */
  readonly discard?: (() => Promise<void>) | undefined;
  /** Ends connections and programs. What is under way then fails. */
  close(): Promise<void>;
}

export const HASH_NAME = /^[0-9a-f]{64}$/;

/** `data/abcd…`, as errors and logs call an object. */
export function objectPath(type: ObjectType, name: string): string {
  return type === 'config' ? 'config' : `${type}/${name}`;
}
