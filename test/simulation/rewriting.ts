import { editSnapshots } from '../../src/copy/rewrite.js';
import { repairSnapshots } from '../../src/repair/repair-snapshots.js';
import { listSnapshots } from '../../src/repository/snapshots/snapshots.js';
import type { Files } from './source.js';
import { type Task, WRITING } from './task.js';
import { rootOf } from './tree.js';

/** Rewrites a snapshot without some of its files, or with another host. */
export async function rewriteOne({ process, repository, backing, giveUp, promise }: Task): Promise<string> {
  const { dice, shelf } = process.world;
  const { snapshots } = await listSnapshots(repository);
  if (snapshots.length === 0) return 'nothing to rewrite';
  const stored = dice.pick(snapshots);
  const files = backing.filesOf(stored.snapshot.root);
  if (files === undefined) throw new Error(`the files of snapshots/${stored.id} are not known`);
  const excluded = dice.pick(topNames(files));
  const left = without(files, excluded);
  const excludes = left.size > 0 && dice.chance(0.6) ? [`/${excluded}`] : [];
  if (excludes.length > 0) backing.expect(rootOf(left, repository), left);
  const forget = dice.chance(0.5);
  if (forget) giveUp([stored.id]);
  const events: string[] = [];
  await editSnapshots(repository, [stored], {
    ...WRITING,
    excludes,
    iexcludes: [],
    newHost: excludes.length === 0 || dice.chance(0.3) ? process.host.name : undefined,
    summary: false,
    forget,
    onEvent: (event) => {
      if (event.kind === 'failed') throw event.error;
      if (event.kind === 'unchanged') throw new Error(`rewriting snapshots/${stored.id} changes nothing`);
      if (event.kind !== 'changed') return;
      promise(event.id as string);
      events.push(`made ${shelf.label('snapshots', event.id as string)}`);
    },
  });
  return events.join(', ');
}

/** Repairs all snapshots. None is damaged, so none may change. Runs with a damaged index do not do this. */
export async function repairAll({ process, repository }: Task): Promise<string> {
  const { world } = process;
  const { snapshots } = await listSnapshots(repository);
  const sound = snapshots.filter(({ id }) => !world.unsure.has(id));
  const { failed } = await repairSnapshots(repository, world.odds.spoil > 0 ? [] : sound, {
    ...WRITING,
    forget: world.dice.chance(0.5),
    onEvent: (event) => {
      if (event.kind === 'changed') throw new Error(`repair snapshots finds snapshots/${event.stored.id} damaged`);
    },
  });
  return `${snapshots.length} looked at, ${failed} failed`;
}

const topNames = (files: Files): string[] => [
  ...new Set([...files.keys()].map((path) => path.split('/')[0] as string)),
];

const without = (files: Files, name: string): Files =>
  new Map([...files].filter(([path]) => path !== name && !path.startsWith(`${name}/`)));
