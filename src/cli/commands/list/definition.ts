import type { Command } from 'commander';
import { blobsOf, kindName, listIndexedPacks, listObjects } from '../../../browse/objects.js';
import { VarveError } from '../../../errors/errors.js';
import { packsOfSnapshots } from '../../../repository/reading/packs-of-snapshots.js';
import type { Repository } from '../../../repository/repository.js';
import type { ObjectType } from '../../../storage/store.js';
import { type Context, run, type Session } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import { chooseOne, readIndex, readSnapshots, selectionFilter } from '../../snapshots/snapshot-selection.js';

const TYPES: Record<string, ObjectType> = {
  snapshots: 'snapshots',
  packs: 'data',
  index: 'index',
  keys: 'keys',
  locks: 'locks',
};

export function define(command: Command, session: Session): void {
  command.description('List the names of all objects of one kind, one per line; blobs with their kind in front.');
  command.argument('[kind]', 'snapshots, packs, index, keys, locks or blobs');
  command.argument('[snapshot]', 'only packs that this snapshot needs: latest, an id, or a prefix of an id');
  command.addHelpText('after', '\nExit codes: 0 listed; 1 failed; 10 no repository; 12 wrong password.');
  run(command, session, async (context, [kind = '', snapshot]) => {
    const type = TYPES[kind];
    if (type === undefined && kind !== 'blobs') {
      throw new VarveError('usage', `which kind? One of ${[...Object.keys(TYPES), 'blobs'].join(', ')}`);
    }
    if (snapshot !== undefined && kind !== 'packs')
      throw new VarveError('usage', `list ${kind}: a snapshot selects packs only`);
    const repository = await openFromOptions(context);
    const names = namesFrom(context, repository, type, snapshot);
    for await (const name of names) context.output.print(name);
    return 0;
  });
}

function namesFrom(
  context: Context,
  repository: Repository,
  type: ObjectType | undefined,
  snapshot: string | undefined,
): AsyncIterable<string> {
  if (snapshot !== undefined) return packsOf(context, repository, snapshot);
  return type === undefined ? listBlobs(repository) : listObjects(repository, type);
}

async function* packsOf(context: Context, repository: Repository, name: string): AsyncGenerator<string> {
  repository.keys.requireRole('manage', 'list the packs of a snapshot');
  const [indexed, snapshots] = await Promise.all([readIndex(context, repository), readSnapshots(context, repository)]);
  const { stored } = chooseOne(snapshots, name, selectionFilter(context, {}));
  yield* await packsOfSnapshots(indexed, [stored.snapshot.root], context.signal);
}

async function* listBlobs(repository: Repository): AsyncGenerator<string> {
  for await (const { record } of listIndexedPacks(repository)) {
    for (const { id, kind } of blobsOf(record)) yield `${kindName(kind)} ${id.toString('hex')}`;
  }
}
