import type { ExportedKeys } from '../crypto/hierarchy.js';
import type { ErrorJson } from '../errors/errors.js';
import type { SharedBlobIndex } from '../repository/index/blob-index.js';

/** What a worker starts with; without keys it only hashes. */
export interface WorkerInit {
  readonly opening: { readonly keys: ExportedKeys; readonly index: SharedBlobIndex } | undefined;
}

/** An object that is read from its first byte to its last. */
export interface Task {
  /** As errors call it. */
  readonly object: string;
  /** The file that it is, or its bytes. */
  readonly source: string | Uint8Array;
  /** Number of the pack whose frames are opened; undefined for an object that is only hashed. */
  readonly pack: number | undefined;
}

/** A frame that does not open, or a blob of it that is not what its id says. */
export interface Damage {
  readonly frame: number;
  readonly blob?: number;
  readonly reason: string;
}

export interface Reply {
  readonly size: number;
  /** SHA-256 in hex. */
  readonly hash: string;
  readonly damages: readonly Damage[];
  /** Set when it could not be read. */
  readonly error?: ErrorJson;
}
