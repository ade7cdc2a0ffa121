// What the main thread of a prune and its workers send each other.
// repack.ts sends it, and prune-worker.ts answers.
import type { ExportedKeys } from '../crypto/hierarchy.js';
import type { Identity } from '../crypto/signed.js';
import type { PackRecord } from '../format/pack-record.js';
import type { SharedBlobIndex } from '../repository/index/blob-index.js';
import type { FinishedPack, PackPart, PackWriterOptions } from '../repository/packs/pack-writer.js';
import type { SharedBuffersHandle } from '../workers/shared-buffers.js';
import type { PackCopierOptions } from './pack-copier.js';

/** What a worker starts with. */
export interface WorkerInit
  extends Omit<PackCopierOptions, 'keys' | 'index' | 'packs'>,
    Pick<PackWriterOptions, 'compression' | 'target' | 'parity'> {
  readonly keys: ExportedKeys;
  readonly identity: Identity;
  readonly index: SharedBlobIndex;
  readonly buffers: SharedBuffersHandle;
}

/** A pack whose needed blobs are copied. */
export interface PackToCopy {
  readonly kind: 'copy';
  /** The pack's number in the index. */
  readonly pack: number;
  /** The pack's own directory. */
  readonly record: PackRecord;
  /** The path of its file, or its bytes. */
  readonly source: string | Uint8Array;
  /** Copies the pack only when compression makes a frame smaller. */
  readonly onlyIfSmaller: boolean;
}

/** `flush` asks for the packs that are not full. */
export type Task = PackToCopy | { readonly kind: 'flush' };

/** To `copy`: whether the pack was copied. To `flush`: the packs that are not full. */
export type Reply =
  | { readonly kind: 'copied' }
  | { readonly kind: 'skipped' }
  | { readonly kind: 'partialPacks'; readonly parts: readonly PackPart[] };

/** A pack that is full. */
export type Note = FinishedPack;
