// What an entry gets for content: a direct reference, a reference to a list, or the bytes themselves.
// How streams are cut and stored is left to the caller.
import type { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import { type Attachment, MAX_ATTACHMENT, MAX_INLINE } from '../../format/attachment.js';
import type { ContentRef } from '../../format/content.js';
import { ID_BYTES, MAX_DIRECT_CHUNKS } from '../../format/limits.js';

/** Stores bytes as a stream of kind tree. */
type StoreTree = (bytes: Uint8Array) => Pick<ContentRef, 'size' | 'ids'>;

/** The reference to a stream's blobs: through a list when they are many. */
export function referTo({ size, ids }: Pick<ContentRef, 'size' | 'ids'>, store: StoreTree): ContentRef {
  if (ids.length <= MAX_DIRECT_CHUNKS * ID_BYTES) return { size, depth: 0, ids };
  return { size, depth: 1, ids: store(ids).ids };
}

/** Puts few bytes into the entry itself, and stores many. @throws VarveError `source` when they are too many */
export function attach(bytes: Buffer, store: StoreTree): Attachment {
  if (bytes.length <= MAX_INLINE) return bytes;
  if (bytes.length > MAX_ATTACHMENT) throw new VarveError('source', 'has more than 16 MiB of attributes');
  return referTo(store(bytes), store);
}
