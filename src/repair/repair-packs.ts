import { Buffer } from 'node:buffer';
import { type ErrorCode, VarveError } from '../errors/errors.js';
import { type BlobKind, TREE } from '../format/content.js';
import type { IndexedPack } from '../format/index-object.js';
import { exclusively } from '../repository/exclusive.js';
import { type IndexedRepository, indexedPack, loadIndex, packsOf } from '../repository/index-store.js';
import { digestOf } from '../repository/listed-packs.js';
import { readPackRecord } from '../repository/pack-directory.js';
import { objectName, type Repository, uncached } from '../repository/repository.js';
import { interrupted } from './interrupted.js';
import type { RepairPacksOptions, RepairPacksResult } from './options.js';
import { readPack } from './read-pack.js';
import { rewriteIndex } from './rewrite-index.js';
import { sift } from './sift.js';
import { storeSifted } from './store-sifted.js';

/**
 * Stores anew what can be read of damaged packs, then takes them out of the index, and removes them. Packs with which nothing is wrong stay. Each
 * step is durable before the next, so that it can be interrupted anywhere.
 *
 * @param names of packs, whole
 * @throws VarveError `role` when the key cannot read them, `not-found`, `locked` while a prune or another repair runs, `damaged` when the index is,
 * `interrupted`
 */
export async function repairPacks(
  repository: Repository,
  names: readonly string[],
  options: RepairPacksOptions,
): Promise<RepairPacksResult> {
  repository.keys.requireRole('manage', 'repair packs');
  return exclusively(repository, 'repair packs', () => repair(repository, [...new Set(names)], options));
}

async function repair(
  cached: Repository,
  names: readonly string[],
  options: RepairPacksOptions,
): Promise<RepairPacksResult> {
  const indexed = await loadIndex(uncached(cached));
  const removed: string[] = [];
  const unreadable = new Set<string>();
  let salvaged = 0;
  for (const name of names) {
    if (options.signal?.aborted === true) throw interrupted();
    const found = await salvage(cached, indexed, name, options);
    if (found === undefined) continue;
    removed.push(name);
    salvaged += found.good;
    for (const id of found.bad) unreadable.add(id.toString('hex'));
  }
  if (removed.length > 0) await takeOut(cached, indexed, removed);
  const { index } = await loadIndex(uncached(cached));
  const lost = [...unreadable].filter((id) => index.find(Buffer.from(id, 'hex')) < 0);
  return { removed, salvaged, lost };
}

/** @returns undefined when nothing is wrong with the pack */
async function salvage(
  cached: Repository,
  indexed: IndexedRepository,
  name: string,
  { keepCopy, onEvent }: RepairPacksOptions,
): Promise<{ good: number; bad: readonly Buffer[] } | undefined> {
  const stored = await readPack(indexed.store, name);
  // A cache may have the pack as it was.
  const bytes = stored !== undefined && objectName(stored) === name ? stored : await readPack(cached.store, name, true);
  const said = await statementsOf(indexed, name, stored);
  if (bytes === undefined) throw missing(name);
  for (const { record } of said) requireReadable(indexed, record.kind);
  const found = said.map((each) => sift(indexed, each, bytes));
  const good = new Set(found.flatMap((each) => each.good.map((id) => id.toString('hex'))));
  const bad = found.flatMap((each) => each.bad.filter((id) => !good.has(id.toString('hex'))));
  if (bytes === stored && objectName(stored) === name && bad.length === 0) {
    onEvent?.({ kind: 'sound', name });
    return undefined;
  }
  if (stored !== undefined) await keepCopy(name, stored);
  for (const each of found) await storeSifted(indexed, each, bytes);
  onEvent?.({ kind: 'salvaged', name, blobs: good.size, lost: bad.length });
  return { good: good.size, bad };
}

function missing(name: string): VarveError {
  return new VarveError(
    'not-found',
    `data/${name}: is missing: there is nothing to be saved; \`varve repair index\` leaves it out of the index`,
  );
}

function requireReadable({ keys }: Repository, kind: BlobKind): void {
  if (kind === TREE) keys.requireRole('manage', 'read packs of folders');
  else keys.requireRole('full', 'read packs of file contents');
}

const ABOUT_PACKS: readonly ErrorCode[] = ['damaged', 'not-found', 'role', 'storage'];

/** What the index and the pack itself say of it: more than one where they differ. */
async function statementsOf(
  indexed: IndexedRepository,
  name: string,
  stored: Buffer | undefined,
): Promise<readonly IndexedPack[]> {
  const said = new Map<string, IndexedPack>();
  const add = (pack: IndexedPack): void => void said.set(digestOf(pack.record), pack);
  for (const object of indexed.objects.filter(({ packs }) => packs.includes(name)))
    for (const pack of await packsOf(indexed, object.name)) if (pack.name.toString('hex') === name) add(pack);
  if (stored === undefined) return [...said.values()];
  try {
    add(indexedPack(name, stored.length, await readPackRecord(indexed, name, stored.length)));
  } catch (cause) {
    if (!ABOUT_PACKS.includes(VarveError.from(cause).code)) throw cause;
  }
  return [...said.values()];
}

/** Takes packs out of the index, then out of the store. What runs and relies on them learns that they are condemned. */
async function takeOut(cached: Repository, indexed: IndexedRepository, names: readonly string[]): Promise<void> {
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
