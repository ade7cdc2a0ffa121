// Whose word counts for what in the index (SPEC.md section 10).
// Which copy of a blob is used is left to blob-index.ts.
import { Buffer } from 'node:buffer';
import { SLOT_ID_LENGTH } from '../../bytes/pack-constants.js';
import type { Certificate } from '../../crypto/certificate.js';
import { isRevoked } from '../../crypto/signed.js';
import type { IndexedPack, IndexObject } from '../../format/index-object.js';
import type { Repository } from '../repository.js';
import type { BlobIndex } from './blob-index.js';

/** Who assembled a pack, and whether a manage or full key vouches for what it is said to hold. */
export type Origin = Pick<IndexedPack, 'writer' | 'vouched'>;

/** The writer of a pack of which only the directory was read: that may have been copied from another pack. */
const UNKNOWN_WRITER = Buffer.alloc(SLOT_ID_LENGTH);

/** The origin of a pack of which only the directory was read. */
export const UNREAD: Origin = { writer: UNKNOWN_WRITER, vouched: false };

/** Whether only the directory of a pack was read. */
export function isUnread({ writer, vouched }: Origin): boolean {
  return !vouched && writer.equals(UNKNOWN_WRITER);
}

/** The origin of a pack that was read whole, by the signer of its directory. */
export function originOfRead({ role, slot }: Certificate, { keys }: Pick<Repository, 'keys'>): Origin {
  return { writer: Buffer.from(slot), vouched: role !== 'append' && !isRevoked(keys, slot) };
}

/** The origin of the packs that this key writes. */
export function originOf({ identity, keys }: Pick<Repository, 'identity' | 'keys'>): Origin {
  return { writer: Buffer.from(identity.slot), vouched: keys.role !== 'append' };
}

/**
 * What counts of an index object. An append key speaks only of its own packs, and neither replaces objects nor condemns packs. The same goes
 * for a revoked key.
 */
export function heed(index: IndexObject, { role, slot }: Certificate, revoked: boolean): IndexObject {
  if (role !== 'append' && !revoked) return index;
  const writer = Buffer.from(slot);
  const packs = index.packs.map((pack) => ({ ...pack, writer, vouched: false }));
  return { ...index, replaces: [], condemned: [], packs };
}

/** The origin of a pack by its number in the index. */
export function originIn(index: BlobIndex, pack: number): Origin {
  return { writer: Buffer.from(index.packWriter(pack), 'hex'), vouched: index.isVouched(pack) };
}

/** Whether a backup with this key may rely on what the pack is said to hold. */
export function isReliable({ writer, vouched }: Origin, { identity }: Pick<Repository, 'identity'>): boolean {
  return vouched || writer.equals(identity.slot);
}
