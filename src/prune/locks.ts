import { asArray, asText, asUint } from '../bytes/msgpack.js';
import { throwIfInterrupted, VarveError } from '../errors/errors.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import type { Repository } from '../repository/repository.js';
import { isLongEnough } from '../storage/lock-term.js';
import type { LockedType } from '../storage/store.js';
import { eachAtMost, REQUESTS } from '../workers/in-flight.js';
import type { PruneRun } from './prune-run.js';

/** The name under which this machine remembers until when a location's objects are locked. */
const REMEMBERED = 'locked';

interface LockedObject {
  readonly type: LockedType;
  readonly name: string;
}

/**
 * Extends the locks of all objects that stay, where the store locks objects. An object costs no request when this machine remembers that it is
 * locked for long enough.
 */
export async function extendLocks(
  { options: { signal, onEvent }, result }: PruneRun,
  repository: IndexedRepository,
): Promise<void> {
  const { store } = repository;
  const { lockSeconds, extend } = store;
  if (lockSeconds === undefined || extend === undefined) return;
  const objects = await whatStays(repository);
  const known = recall(repository);
  const now = await store.now();
  const due = objects.filter(({ name }) => !isLongEnough(known.get(name) ?? 0, now, lockSeconds));
  let done = 0;
  try {
    await eachAtMost(store.connections ?? REQUESTS, due, async ({ type, name }) => {
      throwIfInterrupted(signal);
      const until = await extend(type, name).catch(unlessGone);
      if (until !== undefined) known.set(name, until);
      onEvent?.({ kind: 'locked', done: ++done, total: due.length });
    });
  } finally {
    remember(repository, objects, known);
  }
  const ends = objects.flatMap(({ name }) => known.get(name) ?? []);
  result.locked = { objects: ends.length, until: ends.reduce((a, b) => Math.min(a, b)) };
}

/** Everything but leases, condemned packs, and packs that no index object lists: a running or failed backup stored those. */
async function whatStays({ store, packs, condemned }: IndexedRepository): Promise<LockedObject[]> {
  const objects: LockedObject[] = [{ type: 'config', name: 'config' }];
  for (const type of ['keys', 'snapshots', 'index'] as const)
    for await (const { name } of store.list(type)) objects.push({ type, name });
  for (const name of packs) if (!condemned.has(name)) objects.push({ type: 'data', name });
  return objects;
}

/** Another command may have removed the object. */
function unlessGone(cause: unknown): undefined {
  if (VarveError.from(cause).code !== 'not-found') throw cause;
}

/** By name. A copy of the repository at another location has locks of its own. */
function recall({ local, store }: Repository): Map<string, number> {
  const known = new Map<string, number>();
  const value = local.read(REMEMBERED);
  if (value === undefined) return known;
  const [location, locks] = asArray(value, 2, REMEMBERED);
  if (location !== store.location) return known;
  for (const each of asArray(locks, undefined, REMEMBERED)) {
    const [name, until] = asArray(each, 2, REMEMBERED);
    known.set(asText(name, REMEMBERED), asUint(until, Number.MAX_SAFE_INTEGER, REMEMBERED));
  }
  return known;
}

function remember(
  { local, store }: Repository,
  objects: readonly LockedObject[],
  known: ReadonlyMap<string, number>,
): void {
  const locks = objects.flatMap(({ name }) => {
    const until = known.get(name);
    return until === undefined ? [] : [[name, Math.floor(until)]];
  });
  local.write(REMEMBERED, [store.location, locks]);
}
