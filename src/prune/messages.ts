import type { ExportedKeys } from '../crypto/hierarchy.js';
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
  readonly index: SharedBlobIndex;
  readonly buffers: SharedBuffersHandle;
}

/** A pack of which what is needed is to be copied. */
export interface PackToCopy {
  readonly kind: 'copy';
  /** By its number in the index. */
  readonly pack: number;
  /** The pack's own directory. */
  readonly record: PackRecord;
  /** Its file, or its bytes. */
  readonly source: string | Uint8Array;
  /** Only when a frame gets smaller by being compressed. */
  readonly onlyIfSmaller: boolean;
}

/** `flush` hands over what fills no pack. */
export type Task = PackToCopy | { readonly kind: 'flush' };

export interface Reply {
  /** Whether the pack was copied. */
  readonly copied: boolean;
  readonly parts: readonly PackPart[];
}

/** A pack that is full. */
export type Note = FinishedPack;
