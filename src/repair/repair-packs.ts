import type { Buffer } from 'node:buffer';
import { toHex } from '../bytes/hex.js';
import { asBuffer } from '../bytes/views.js';
import { explainInterruption, isAboutObject, isBroken, throwIfInterrupted } from '../errors/errors.js';
import { type BlobKind, TREE } from '../format/content.js';
import type { IndexedPack } from '../format/index-object.js';
import { type IndexedRepository, indexedPack, loadIndex, packsOf } from '../repository/index/index-store.js';
import { digestOf } from '../repository/index/listed-packs.js';
import { rewriteIndex } from '../repository/index/rewrite-index.js';
import { exclusively } from '../repository/leases/exclusive.js';
import { heal } from '../repository/packs/healing.js';
import { readPackDirectory } from '../repository/packs/pack-directory.js';
import { readPack } from '../repository/packs/pack-reading.js';
import { objectName, type Repository, uncached } from '../repository/repository.js';
import { INTERRUPTED } from './interruption.js';
import type { RepairPacksEvent, RepairPacksOptions, RepairPacksResult } from './options.js';
import { salvage } from './salvage.js';
import { storeSalvaged } from './store-salvaged.js';

/**
 * Heals damaged packs by their parity or from this machine's cache. Of a pack that does not heal, it stores the sound blobs in new packs, then
 * removes the pack from the index and from the store. Sound packs stay. Packs that could not be read whole stay too, as they may be sound.
 * Each step is durable before the next, so an interruption anywhere does no harm.
 *
 * @param names of packs, whole
 * @throws VarveError `role` when the key cannot read them, `locked` while a prune or another repair runs, `damaged` when the index is,
 * `interrupted`
 */
export async function repairPacks(
  repository: Repository,
  names: readonly string[],
  options: RepairPacksOptions,
): Promise<RepairPacksResult> {
  repository.keys.requireRole('manage', 'repair packs');
  return explainInterruption(INTERRUPTED, () =>
    exclusively(repository, 'repair packs', () => repair(repository, [...new Set(names)], options)),
  );
}

/** What became of a pack. `bad` are the ids of blobs that are missing from it or damaged. */
type Outcome =
  | Exclude<RepairPacksEvent, { readonly kind: 'salvaged' }>
  | { readonly kind: 'salvaged'; readonly name: string; readonly good: number; readonly bad: readonly Buffer[] };

async function repair(
  cached: Repository,
  names: readonly string[],
  options: RepairPacksOptions,
): Promise<RepairPacksResult> {
  const indexed = await loadIndex(uncached(cached));
  const outcomes: Outcome[] = [];
  for (const name of names) {
    throwIfInterrupted(options.signal);
    const outcome = await repairOne(cached, indexed, name, options);
    outcomes.push(outcome);
    options.onEvent?.(
      outcome.kind === 'salvaged' ? { kind: 'salvaged', name, blobs: outcome.good, lost: outcome.bad.length } : outcome,
    );
  }
  const salvaged = outcomes.filter((each) => each.kind === 'salvaged');
  const removed = salvaged.map(({ name }) => name);
  if (removed.length > 0) await removePacks(cached, indexed, removed);
  const { index } = await loadIndex(uncached(cached));
  const lost = new Set(salvaged.flatMap(({ bad }) => bad.filter((id) => index.find(id) < 0).map(toHex)));
  const ofKind = (kind: Outcome['kind']): string[] =>
    outcomes.filter((each) => each.kind === kind).map(({ name }) => name);
  return {
    removed,
    healed: ofKind('healed'),
    unreadable: ofKind('unreadable'),
    missing: ofKind('missing'),
    salvaged: salvaged.reduce((sum, { good }) => sum + good, 0),
    lost: [...lost],
  };
}

async function repairOne(
  cached: Repository,
  indexed: IndexedRepository,
  name: string,
  options: RepairPacksOptions,
): Promise<Outcome> {
  const { store } = indexed;
  const info = await store.stat('data', name);
  const stored = info && (await readPack(store, name, info.size));
  if (stored?.kind === 'unreadable' && (stored.error.code === 'denied' || stored.error.retryable))
    return { kind: 'unreadable', name, message: stored.error.message };
  // Also if only the second attempt read it.
  if (stored !== undefined && stored.kind !== 'unreadable' && objectName(stored.bytes) === name)
    return (await salvagePack(indexed, name, stored.bytes, options)) ?? { kind: 'sound', name };
  if (stored !== undefined && (await heal(store, name))) return { kind: 'healed', name, by: 'parity' };
  const remembered = await fromCache(cached, name);
  if (remembered !== undefined) {
    if (stored === undefined) await store.put('data', name, [remembered]);
    else await store.replace('data', name, [remembered]);
    return { kind: 'healed', name, by: 'cache' };
  }
  if (stored === undefined) return { kind: 'missing', name };
  if (stored.kind !== 'whole') return { kind: 'unreadable', name, message: stored.error.message };
  return (await salvagePack(indexed, name, stored.bytes, options)) as Outcome;
}

/** The undamaged pack, if this machine's cache has it. */
async function fromCache({ store }: Repository, name: string): Promise<Buffer | undefined> {
  try {
    const bytes = await store.get('data', name, undefined, { keep: true });
    return objectName(bytes) === name ? bytes : undefined;
  } catch (cause) {
    if (!isAboutObject(cause)) throw cause;
    return undefined;
  }
}

/** @returns undefined if the pack is sound */
async function salvagePack(
  indexed: IndexedRepository,
  name: string,
  bytes: Buffer,
  { keepCopy }: RepairPacksOptions,
): Promise<Outcome | undefined> {
  const said = await statementsOf(indexed, name, bytes);
  for (const { record } of said) requireReadable(indexed, record.kind);
  const found = said.map((each) => salvage(indexed, each, bytes));
  const good = new Set(found.flatMap((each) => each.good.map(toHex)));
  const bad = found.flatMap((each) => each.bad.filter((id) => !good.has(toHex(id))));
  if (objectName(bytes) === name && bad.length === 0) return undefined;
  await keepCopy(name, bytes);
  for (const each of found) await storeSalvaged(indexed, each, bytes);
  return { kind: 'salvaged', name, good: good.size, bad };
}

function requireReadable({ keys }: Repository, kind: BlobKind): void {
  if (kind === TREE) keys.requireRole('manage', 'read packs of directories');
  else keys.requireRole('full', 'read packs of file contents');
}

/** The descriptions of the pack in the index and in the pack itself: more than one if they differ. */
async function statementsOf(indexed: IndexedRepository, name: string, bytes: Buffer): Promise<readonly IndexedPack[]> {
  const said = new Map<string, IndexedPack>();
  const add = (pack: IndexedPack): void => void said.set(digestOf(pack.record), pack);
  for (const object of indexed.objects.filter(({ packs }) => packs.includes(name)))
    for (const pack of await packsOf(indexed, object.name)) if (pack.name.toString('hex') === name) add(pack);
  try {
    const { record, signer } = await readPackDirectory(indexed, name, bytes.length, bytes);
    add(indexedPack(name, bytes.length, record, { writer: asBuffer(signer.slot), vouched: false }));
  } catch (cause) {
    if (!isBroken(cause)) throw cause;
  }
  return [...said.values()];
}

/** Removes packs from the index, then from the store. The condemnations warn running commands that rely on them. */
async function removePacks(cached: Repository, indexed: IndexedRepository, names: readonly string[]): Promise<void> {
  const gone = new Set(names);
  const replaced = indexed.objects.filter(({ packs }) => packs.some((name) => gone.has(name)));
  await rewriteIndex(indexed, {
    replaced: replaced.map(({ name }) => name),
    unreadable: new Set(),
    add: [],
    keep: (name) => !gone.has(name),
    condemn: names,
  });
  for (const name of names) await cached.store.remove('data', name);
}
