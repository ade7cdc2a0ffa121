import { isBroken, isUnreadable, VarveError } from '../../../errors/errors.js';
import { getSigned, type Repository } from '../../../repository/repository.js';
import { removeSnapshot, type StoredSnapshot, shortId } from '../../../repository/snapshots/snapshots.js';
import type { Output } from '../../terminal/output.js';

/** Snapshot objects that no list shows, because they are damaged or of removed keys. forget can remove them by id. */
export class Unlisted {
  /** The object names by the given id. */
  readonly #names: ReadonlyMap<string, string>;

  private constructor(names: ReadonlyMap<string, string>) {
    this.#names = names;
  }

  /** Finds the ids that match no listed snapshot and exactly one other object. */
  static async find(
    { store }: Repository,
    snapshots: readonly StoredSnapshot[],
    ids: readonly string[],
  ): Promise<Unlisted> {
    const listed = new Set(snapshots.map(({ id }) => id));
    const unknown = ids.filter((id) => /^[0-9a-f]+$/.test(id) && ![...listed].some((each) => each.startsWith(id)));
    const names = new Map<string, string>();
    if (unknown.length === 0) return new Unlisted(names);
    const others: string[] = [];
    for await (const { name } of store.list('snapshots')) if (!listed.has(name)) others.push(name);
    for (const id of unknown) {
      const [found, ...more] = others.filter((name) => name.startsWith(id));
      if (found !== undefined && more.length === 0) names.set(id, found);
    }
    return new Unlisted(names);
  }

  has(id: string): boolean {
    return this.#names.has(id);
  }

  /** @returns the number of objects that stay because they could not be read: they may be sound */
  async remove(repository: Repository, output: Output, dryRun: boolean): Promise<number> {
    let stay = 0;
    for (const name of new Set(this.#names.values())) {
      const unreadable = await whyUnreadable(repository, name);
      if (unreadable === undefined) {
        if (!dryRun) await removeSnapshot(repository, name);
        output.message(`${dryRun ? 'would remove' : 'removed'} snapshot ${shortId(name)}, which cannot be opened`);
      } else {
        stay++;
        printStays(output, name, unreadable);
      }
    }
    return stay;
  }
}

/** Undefined when the object was read and is damaged or of a removed key. */
async function whyUnreadable(repository: Repository, name: string): Promise<VarveError | undefined> {
  try {
    await getSigned(repository, 'snapshot', name);
    return undefined;
  } catch (cause) {
    if (isUnreadable(cause)) return VarveError.from(cause);
    if (isBroken(cause)) return undefined;
    throw cause;
  }
}

function printStays(output: Output, item: string, { message: reason }: VarveError): void {
  const message = `snapshot ${shortId(item)} stays, as it may be sound: ${reason}`;
  if (output.json) output.errorObject({ message_type: 'error', error: { message }, during: 'forget', item });
  else output.error(`error: ${message}`);
}
