import { Buffer } from 'node:buffer';
import { MessagePackWriter } from '../bytes/writer.js';
import { explainInterruption, VarveError } from '../errors/errors.js';
import type { ContentRef } from '../format/content.js';
import { bareDirectory, type Entry, writeEntry } from '../format/entry.js';
import type { IndexedPack } from '../format/index-object.js';
import type { Snapshot } from '../format/snapshot.js';
import { type IndexedRepository, loadIndex } from '../repository/index/index-store.js';
import { exclusively } from '../repository/leases/exclusive.js';
import { LocalState } from '../repository/local-state.js';
import { type Repository, uncached } from '../repository/repository.js';
import { listSnapshots } from '../repository/snapshots/snapshots.js';
import { RepositoryWriter } from '../repository/writing/repository-writer.js';
import { type Time, timeFromMillis } from '../time/time.js';
import { DirectorySurvey } from './directory-survey.js';
import { type Root, RootSearch, treeIds } from './find-roots.js';
import { healTreePacks } from './heal-packs.js';
import { INTERRUPTED } from './interruption.js';
import type { RecoveredSnapshot, RecoverOptions, RecoverResult } from './options.js';
import { UnreadableObjects } from './unreadable.js';

/** The directory of a snapshot that holds the recovered directories. */
const RECOVERED = 'recovered';
const INCOMPLETE = 'incomplete';

/**
 * Makes a snapshot of the directories that nothing refers to, such as the roots of snapshots that were forgotten by mistake. That works until
 * prune removes what they need. Directories that are not whole go into a second snapshot, so that the first one is sound.
 *
 * Objects that cannot be read are counted, and the rest is recovered.
 *
 * @throws VarveError `role` for an append key, `locked` while a prune or a repair runs, `damaged` when the index is, `interrupted`
 */
export async function recover(cached: Repository, options: RecoverOptions): Promise<RecoverResult> {
  cached.keys.requireRole('manage', 'recover snapshots');
  const repository = uncached(cached);
  return explainInterruption(INTERRUPTED, () =>
    exclusively(repository, 'recover', () => recoverExclusively(repository, options)),
  );
}

async function recoverExclusively(repository: Repository, options: RecoverOptions): Promise<RecoverResult> {
  const before = await namesOfPacks(repository);
  // A snapshot that this machine remembers may be damaged in the store.
  const local = new LocalState(undefined, repository.identity, repository.keys.engine);
  const unreadable = new UnreadableObjects((message) => options.onEvent?.({ kind: 'unreadable', message }));
  const { snapshots, failures } = await listSnapshots({ ...repository, local });
  for (const { error } of failures) unreadable.pass(error);
  const packs: IndexedPack[] = [];
  const indexed = await loadIndex(repository, {
    inspect: ({ index, revoked }) => {
      // What only a revoked key wrote must not come back.
      if (!revoked) packs.push(...index.packs);
    },
  });
  await healTreePacks(indexed, options.signal);
  const survey = new DirectorySurvey(indexed, unreadable, options.signal);
  for (const [done, { snapshot }] of snapshots.entries()) {
    await survey.refer(snapshot.root);
    await survey.visit(snapshot.root);
    options.onEvent?.({ kind: 'snapshot', done: done + 1, total: snapshots.length });
  }
  const roots = await new RootSearch(indexed, survey, unreadable, options.signal).run(treeIds(packs));
  return { snapshots: await store(indexed, roots, before, options), unreadable: unreadable.count };
}

async function store(
  repository: IndexedRepository,
  roots: readonly Root[],
  before: ReadonlySet<string>,
  options: RecoverOptions,
): Promise<readonly RecoveredSnapshot[]> {
  const sorts = [true, false].map((isWhole) => ({ isWhole, found: roots.filter(({ whole }) => whole === isWhole) }));
  const writer = new RepositoryWriter(repository, { compression: 'auto' });
  const time = timeFromMillis(repository.clock());
  const made = sorts
    .filter(({ found }) => found.length > 0)
    .map((sort) => ({ ...sort, root: storeDirectories(writer, sort.found, time) }));
  await refuseRemoved(repository, before);
  const snapshots: RecoveredSnapshot[] = [];
  for (const { isWhole, found, root } of made) {
    const tags = isWhole ? [RECOVERED] : [RECOVERED, INCOMPLETE];
    const id = await writer.commit(describe(options, time, tags, root));
    if (id === undefined) throw packsRemoved();
    snapshots.push({ id, directories: found.length, isWhole });
  }
  return snapshots;
}

function describe(
  { host, user, uid, gid, program }: RecoverOptions,
  time: Time,
  tags: readonly string[],
  root: ContentRef,
): Snapshot {
  const paths = [Buffer.from(`/${RECOVERED}`)];
  return {
    ...{ time, host, user, uid, gid, paths, tags, root, program },
    ...{ excludes: [], parent: undefined, original: undefined, summary: undefined },
  };
}

/** A root directory with one directory, which holds all that were found, each named by its id. */
function storeDirectories(writer: RepositoryWriter, found: readonly Root[], { seconds }: Time): ContentRef {
  const inOrder = [...found].sort((a, b) => (a.id < b.id ? -1 : 1));
  const directories = inOrder.map(({ id, content, entries, newest }) =>
    directoryEntry(id, content ?? storeDirectory(writer, entries), newest),
  );
  const recovered = storeDirectory(writer, encoded(directories));
  return storeDirectory(writer, encoded([directoryEntry(RECOVERED, recovered, seconds)]));
}

/** @param entries their encodings, one after another in order of name */
function storeDirectory(writer: RepositoryWriter, entries: Buffer): ContentRef {
  const stream = writer.stream();
  stream.write(entries);
  return writer.reference(stream.end());
}

function directoryEntry(name: string, content: ContentRef, mtimeSeconds: number): Entry {
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  return { ...bareDirectory(Buffer.from(name), content), ...owner, mode: 0o700, mtimeSeconds };
}

function encoded(entries: readonly Entry[]): Buffer {
  const out = new MessagePackWriter();
  for (const entry of entries) writeEntry(out, entry);
  return out.view();
}

async function namesOfPacks({ store: packs }: Repository): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const { name } of packs.list('data')) names.add(name);
  return names;
}

/** While this machine sleeps its lease looks stale, and a prune may run. */
async function refuseRemoved(repository: Repository, before: ReadonlySet<string>): Promise<void> {
  const now = await namesOfPacks(repository);
  for (const name of before) if (!now.has(name)) throw packsRemoved();
}

function packsRemoved(): VarveError {
  return new VarveError('incomplete', 'a prune has removed packs while this ran: run it again');
}
