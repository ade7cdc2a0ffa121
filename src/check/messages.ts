// What the main thread of a check and its workers send each other.
// reading.ts sends it, and object-reader.ts answers.
import type { ExportedKeys } from '../crypto/hierarchy.js';
import type { ErrorJson } from '../errors/errors.js';
import type { SharedBlobIndex } from '../repository/index/blob-index.js';

/** What a worker starts with. Without keys it only hashes. */
export interface WorkerInit {
  readonly opening: { readonly keys: ExportedKeys; readonly index: SharedBlobIndex } | undefined;
}

/** An object that is read from its first byte to its last. */
export interface Task {
  /** The object's name in errors. */
  readonly object: string;
  /** The path of its file, or its bytes. */
  readonly source: string | Uint8Array;
  /** Number of the pack whose frames are opened; undefined for an object that is only hashed. */
  readonly pack: number | undefined;
  /** Bytes before a pack's directory. */
  readonly contentsLength: number | undefined;
}

/** A frame that does not open, or a blob in it that does not match its id. */
export interface Damage {
  readonly frame: number;
  readonly blob?: number;
  readonly reason: string;
}

/** What a worker read of an object. */
export interface ObjectRead {
  readonly kind: 'read';
  /** SHA-256 in hex. */
  readonly hash: string;
  /** SHA-256 of the first `contentsLength` bytes. */
  readonly contents: Uint8Array | undefined;
  readonly damages: readonly Damage[];
}

/** `failed`: the object could not be read. */
export type Reply = ObjectRead | { readonly kind: 'failed'; readonly error: ErrorJson };
