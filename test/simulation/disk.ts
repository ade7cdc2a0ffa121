import { VarveError } from '../../src/errors/errors.js';
import { decodeIndexObject } from '../../src/format/index-object.js';
import { getSigned, type Repository } from '../../src/repository/repository.js';
import type { Process } from './process.js';

/**
 * The disk damages or loses an index object. It loses only objects that do nothing but list packs, because a repair can read the same from
 * the packs. A lost condemnation or replacement would leave no trace; a damaged object does.
 *
 * @param bare the repository on the disk, past the scheduler
 */
export async function spoilIndex(process: Process, bare: Repository): Promise<void> {
  const { shelf, dice } = process.world;
  const names = shelf.list('index').map(({ name }) => name);
  if (names.length === 0) return;
  const name = dice.pick(names);
  const lose = dice.chance(0.5) && (await onlyLists(bare, name));
  const what = `the disk ${lose ? 'loses' : 'damages'} ${shelf.label('index', name)}`;
  const act = (): void => {
    process.world.spoiled = true;
    if (lose) shelf.remove('index', name);
    else shelf.damage('index', name);
  };
  await process.step({ what, changes: true, act });
}

async function onlyLists(bare: Repository, name: string): Promise<boolean> {
  try {
    const { payload } = await getSigned(bare, 'index', name);
    const { replaces, condemned } = decodeIndexObject(payload, name);
    return replaces.length === 0 && condemned.length === 0;
  } catch (cause) {
    if (VarveError.from(cause).code !== 'damaged') throw cause;
    return false;
  }
}
