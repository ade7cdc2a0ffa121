import { copySnapshots } from '../../src/copy/copy.js';
import { type Task, WRITING } from './task.js';
import { rootOf } from './tree.js';

/** Copies some snapshots of another repository. */
export async function copySome({ process, repository, backing, elsewhere, promise }: Task): Promise<string> {
  const { dice, shelf } = process.world;
  const chosen = elsewhere.snapshots.filter(() => dice.chance(0.6));
  for (const { files } of chosen) backing.expect(rootOf(files, repository), files);
  const events: string[] = [];
  const all = elsewhere.snapshots.map(({ stored }) => stored);
  await copySnapshots(
    elsewhere.repository,
    repository,
    { all, chosen: chosen.map(({ stored }) => stored) },
    {
      ...WRITING,
      onEvent: (event) => {
        if (event.kind === 'failed') throw event.error;
        if (event.kind !== 'copied') return;
        promise(event.id);
        events.push(`made ${shelf.label('snapshots', event.id)}`);
      },
    },
  );
  return events.length === 0 ? 'nothing new' : events.join(', ');
}
