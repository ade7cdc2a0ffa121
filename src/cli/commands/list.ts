import type { Command } from 'commander';
import { blobsOf, kindName, listIndexedPacks, listObjects } from '../../browse/objects.js';
import { VarveError } from '../../errors/errors.js';
import type { Repository } from '../../repository/repository.js';
import type { ObjectType } from '../../storage/store.js';
import { openFromOptions } from '../open.js';
import { run, type Shell } from '../shell.js';

const TYPES: Record<string, ObjectType> = {
  snapshots: 'snapshots',
  packs: 'data',
  index: 'index',
  keys: 'keys',
  locks: 'locks',
};

export function define(command: Command, shell: Shell): void {
  command.description('List the names of all objects of a kind, a line each; blobs with their kind in front.');
  command.argument('[kind]', 'snapshots, packs, index, keys, locks or blobs');
  command.addHelpText('after', '\nExit codes: 0 listed; 1 failed; 10 no repository; 12 wrong password.');
  run(command, shell, async (context, [kind = '']) => {
    const type = TYPES[kind];
    if (type === undefined && kind !== 'blobs') {
      throw new VarveError('usage', `list what? One of ${[...Object.keys(TYPES), 'blobs'].join(', ')}`);
    }
    const repository = await openFromOptions(context);
    const names = type === undefined ? listBlobs(repository) : listObjects(repository, type);
    for await (const name of names) context.output.print(name);
    return 0;
  });
}

async function* listBlobs(repository: Repository): AsyncGenerator<string> {
  for await (const { record } of listIndexedPacks(repository)) {
    for (const { id, kind } of blobsOf(record)) yield `${kindName(kind)} ${id.toString('hex')}`;
  }
}
