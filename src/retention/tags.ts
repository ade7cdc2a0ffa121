import { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import type { Repository } from '../repository/repository.js';
import { removeSnapshot, type StoredSnapshot, shortId, writeSnapshot } from '../repository/snapshots/snapshots.js';

/** Either other tags in place of those that are there, or some more and some less. */
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
 * Gives a snapshot other tags. A snapshot is never changed: another one takes its place, signed with the key in use, which names the first of them as its
 * `original`. Needs a manage key.
 *
 * @returns the id of the new one, or undefined when there was nothing to change
 * @throws VarveError `not-found` when the old one was removed meanwhile, so that what it needed may be gone; or when it cannot be removed: the new one is
 * there then
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
    throw new VarveError('not-found', `snapshot ${shortId(id)}: somebody else has removed it, or given it other tags`);
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
