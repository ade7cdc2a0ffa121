import { prune } from '../../src/prune/prune.js';
import { repairIndex } from '../../src/repair/repair-index.js';
import { listSnapshots, type StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { forgetSnapshots, planForget } from '../../src/retention/forget.js';
import { retag } from '../../src/retention/tags.js';
import { simulateBackup } from './backup.js';
import { copySome } from './copying.js';
import { spoilIndex } from './disk.js';
import { repairAll, rewriteOne } from './rewriting.js';
import { PACK_TARGET, type Task } from './task.js';

interface Operation {
  /** Its frequency compared with that of the others. */
  readonly weight: number;
  readonly run: (task: Task) => Promise<unknown>;
}

/** What hosts do: a weight, and a function that calls the code in src/ and says which snapshots it promises or gives up. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  backup: { weight: 5, run: backupNow },
  prune: { weight: 5, run: pruneNow },
  forget: { weight: 3, run: forgetOld },
  remove: { weight: 1, run: removeOne },
  tag: { weight: 1, run: tagOne },
  'repair index': { weight: 1, run: repairIndexNow },
  copy: { weight: 1, run: copySome },
  rewrite: { weight: 1, run: rewriteOne },
  'repair snapshots': { weight: 0.5, run: repairAll },
};

async function backupNow({ process, repository, backing, promise }: Task): Promise<string> {
  const id = await simulateBackup(process, repository, backing);
  promise(id);
  return `made ${process.world.shelf.label('snapshots', id)}`;
}

async function pruneNow({ process, repository }: Task): Promise<string> {
  const { dice, odds } = process.world;
  const { copied, deleted, waiting, reinstated, orphans, remove } = await prune(repository, {
    maxUnused: dice.pick([{ bytes: 0 }, { bytes: 0 }, { part: 0.1 }]),
    maxRepack: dice.pick([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 100]),
    repackSmall: dice.chance(0.3),
    graceSeconds: odds.grace,
    dryRun: false,
    packTarget: PACK_TARGET,
  });
  const counts = { remove, orphans, copied, reinstated, deleted, waiting };
  return Object.entries(counts)
    .flatMap(([name, { packs }]) => (packs > 0 ? [`${packs} ${name}`] : []))
    .join(', ');
}

async function forgetOld(task: Task): Promise<string> {
  const { process, repository } = task;
  const { snapshots } = await listSnapshots(repository);
  const policy = { counts: { last: 1 + process.world.dice.below(2) }, withinEach: {}, tags: [] };
  const groups = planForget(snapshots, { policy, groupBy: { host: true, paths: true, tags: false } });
  return forgetThem(
    task,
    groups.flatMap(({ remove }) => remove),
  );
}

async function removeOne(task: Task): Promise<string> {
  const { snapshots } = await listSnapshots(task.repository);
  return forgetThem(task, snapshots.length > 1 ? [task.process.world.dice.pick(snapshots)] : []);
}

async function forgetThem({ repository, giveUp }: Task, snapshots: readonly StoredSnapshot[]): Promise<string> {
  giveUp(snapshots.map(({ id }) => id));
  const failures = await forgetSnapshots(repository, snapshots);
  return `${snapshots.length - failures.length} forgotten`;
}

async function tagOne({ process, repository, giveUp, promise }: Task): Promise<string> {
  const { snapshots } = await listSnapshots(repository);
  if (snapshots.length === 0) return 'nothing to tag';
  const stored = process.world.dice.pick(snapshots);
  giveUp([stored.id]);
  const id = await retag(repository, stored, { add: [`pid ${process.pid}`], remove: [] });
  if (id !== undefined) promise(id);
  return id === undefined ? 'tagged already' : `made ${process.world.shelf.label('snapshots', id)}`;
}

/** Seconds until someone notices that the index is damaged, at most. */
const UNSEEN = 20 * 60;

async function repairIndexNow({ process, repository, bare }: Task): Promise<string> {
  const { dice, odds, calm } = process.world;
  if (!calm && dice.chance(odds.spoil)) {
    await spoilIndex(process, bare);
    await process.step({ what: 'look', changes: false, after: dice.between(0, UNSEEN), act: () => undefined });
  }
  const result = await repairIndex(repository, { readAllPacks: dice.chance(0.2) });
  const { added, missing, damagedObjects, replaced } = result;
  const counts = { added, missing, damaged: damagedObjects, replaced: replaced.length };
  return Object.entries(counts)
    .flatMap(([name, count]) => (count > 0 ? [`${count} ${name}`] : []))
    .join(', ');
}
