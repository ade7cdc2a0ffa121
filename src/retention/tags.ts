// Changes tags: writes a new snapshot, then removes the old one.
// The command line chooses the snapshots.
import { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import type { Repository } from '../repository/repository.js';
import { removeSnapshot, type StoredSnapshot, shortId, writeSnapshot } from '../repository/snapshots/snapshots.js';

/** Either replaces all tags, or adds and removes some. */
export type TagChange =
  | { readonly set: readonly string[] }
  | { readonly add: readonly string[]; readonly remove: readonly string[] };

/** The tags after a change, or undefined when it changes nothing. */
export function changedTags(tags: readonly string[], change: TagChange): readonly string[] | undefined {
  const wanted = 'set' in change ? change.set : withAndWithout(tags, change.add, change.remove);
  const same = wanted.length === tags.length && wanted.every((tag, at) => tag === tags[at]);
  return same ? undefined : wanted;
}

function withAndWithout(tags: readonly string[], add: readonly string[], remove: readonly string[]): string[] {
  return [...new Set([...tags, ...add])].filter((tag) => !remove.includes(tag));
}

/**
 * Changes the tags of a snapshot. A snapshot object is never modified: a new one replaces it, signed with the key in use. Its `original` is the
 * id of the first snapshot in the chain. Needs a manage key.
 *
 * @returns the id of the new one, or undefined when there was nothing to change
 * @throws VarveError `not-found` when another command has removed the old snapshot, so that its blobs may be gone; or why the old one cannot be
 * removed, in which case both snapshots exist
 */
export async function retag(
  repository: Repository,
  stored: StoredSnapshot,
  change: TagChange,
): Promise<string | undefined> {
  repository.keys.requireRole('manage', 'change tags');
  const { id, snapshot } = stored;
  const tags = changedTags(snapshot.tags, change);
  if (tags === undefined) return undefined;
  const original = snapshot.original ?? Buffer.from(id, 'hex');
  const newId = await writeSnapshot(repository, { ...snapshot, tags, original });
  if ((await repository.store.stat('snapshots', id)) === undefined) {
    await removeSnapshot(repository, newId);
    throw new VarveError('not-found', `snapshot ${shortId(id)}: another command has removed it, or changed its tags`);
  }
  try {
    await removeSnapshot(repository, id);
  } catch (cause) {
    const reason = VarveError.from(cause);
    throw new VarveError(
      reason.code,
      `snapshot ${shortId(newId)} has the new tags, but the old one, ${shortId(id)}, is still there: ${reason.message}`,
      { cause },
    );
  }
  return newId;
}
