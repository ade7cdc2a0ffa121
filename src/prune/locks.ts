import { asArray, asText, asUint } from '../bytes/msgpack.js';
import { throwIfInterrupted, VarveError } from '../errors/errors.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import type { Repository } from '../repository/repository.js';
import { isLongEnough } from '../storage/lock-term.js';
import type { LockedType } from '../storage/store.js';
import { eachAtMost, REQUESTS } from '../workers/in-flight.js';
import type { PruneOptions, PruneResult } from './options.js';

/** What this machine remembers: until when the objects of a place are locked. */
const REMEMBERED = 'locked';

interface LockedObject {
  readonly type: LockedType;
  readonly name: string;
}

/**
 * Where the store locks: all that stays is locked anew in time. What is locked for long enough, as far as this machine remembers, costs no request; what it
 * does not know is looked at.
 */
export async function extendLocks(
  repository: IndexedRepository,
  { signal, onEvent }: PruneOptions,
  result: PruneResult,
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

/** Everything but leases, packs that are condemned, and packs that no index lists: they are of backups that have just stored them, or have failed. */
async function whatStays({ store, packs, condemned }: IndexedRepository): Promise<LockedObject[]> {
  const objects: LockedObject[] = [{ type: 'config', name: 'config' }];
  for (const type of ['keys', 'snapshots', 'index'] as const)
    for await (const { name } of store.list(type)) objects.push({ type, name });
  for (const name of packs) if (!condemned.has(name)) objects.push({ type: 'data', name });
  return objects;
}

/** Keys and snapshots may be removed meanwhile. */
function unlessGone(cause: unknown): undefined {
  if (VarveError.from(cause).code !== 'not-found') throw cause;
}

/** By name. A copy of the repository in another place is locked, or not, by itself. */
function recall({ local, store }: Repository): Map<string, number> {
  const known = new Map<string, number>();
  const value = local.read(REMEMBERED);
  if (value === undefined) return known;
  const [place, locks] = asArray(value, 2, REMEMBERED);
  if (place !== store.location) return known;
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
