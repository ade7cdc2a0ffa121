// Attachments of entries: inline bytes or a content reference (SPEC.md section 11).
// xattrs.ts and layout.ts encode what is in them.
import { Buffer } from 'node:buffer';
import type { ContentRef } from './content.js';

/** What belongs to an entry and may be long: its bytes when they are few, else a stream of tree blobs (SPEC.md section 11). */
export type Attachment = Buffer | ContentRef;

/** Bytes up to which an attachment lies in the entry itself. */
export const MAX_INLINE = 1024;
/** Bytes of the longest attachment. */
export const MAX_ATTACHMENT = 16 * 1024 * 1024;

export function isReference(attachment: Attachment | undefined): attachment is ContentRef {
  return attachment !== undefined && 'depth' in attachment;
}

/** Copies the fields that may be views of larger memory. */
export function ownAttachment(attachment: Attachment | undefined): Attachment | undefined {
  if (attachment === undefined) return undefined;
  return isReference(attachment) ? { ...attachment, ids: Buffer.from(attachment.ids) } : Buffer.from(attachment);
}
