import type { ZstdParameters } from '../compression/engine.js';
import type { ExportedKeys } from '../crypto/hierarchy.js';
import type { PackRecord } from '../format/pack-record.js';
import type { SharedBlobIndex } from '../repository/blob-index.js';
import type { FinishedPack, PackPart } from '../repository/pack-writer.js';
import type { SharedBuffersHandle } from '../workers/shared-buffers.js';

/** What a worker starts with. */
export interface WorkerInit {
  readonly keys: ExportedKeys;
  readonly index: SharedBlobIndex;
  /** For each blob of the index 1 when it is needed. */
  readonly needed: Uint8Array;
  readonly compression: ZstdParameters | undefined;
  /** Bytes at which a pack is closed. */
  readonly packTarget: number;
  /** Percent, as the config has it. */
  readonly parity: number;
  /** Frames of which less than this part is waste are copied as they are. */
  readonly tolerated: number;
  /** Whether frames that are not compressed are tried again. */
  readonly recompress: boolean;
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
