import { isAboutObject } from '../errors/errors.js';
import type { Repository } from '../repository/repository.js';

/** What commands that run beside a check remove or replace. */
const CHANGING = ['snapshots', 'index'] as const;

/** What the store lists of snapshots and of the index, to be compared later. */
export async function listingOf({ store }: Repository): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (const type of CHANGING) for await (const { name } of store.list(type)) names.add(`${type}/${name}`);
  return names;
}

/** Whether something that was listed is gone. What cannot be listed any more is not taken for gone. */
export async function isChanged(repository: Repository, before: ReadonlySet<string>): Promise<boolean> {
  try {
    const now = await listingOf(repository);
    return [...before].some((name) => !now.has(name));
  } catch (cause) {
    if (!isAboutObject(cause)) throw cause;
    return false;
  }
}
