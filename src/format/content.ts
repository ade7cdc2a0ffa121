// Content references (SPEC.md section 11).
// repository/reading/ reads the blobs.
import type { Buffer } from 'node:buffer';

export { type BlobKind, DATA, TREE } from '../bytes/pack-constants.js';

/** The blobs that a stream of bytes is made of (SPEC.md section 11). */
export interface ContentRef {
  /** Length of the stream in bytes. */
  readonly size: number;
  /** 0: `ids` are the stream's blobs. 1: `ids` are tree blobs that together hold the list of ids. */
  readonly depth: 0 | 1;
  /** 32 bytes each. */
  readonly ids: Buffer;
}

/** Whether two references are of the same stream, as far as that can be said without reading it. */
export function sameReference(a: ContentRef | undefined, b: ContentRef | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.size === b.size && a.depth === b.depth && a.ids.equals(b.ids);
}
