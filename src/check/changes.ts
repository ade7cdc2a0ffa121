import { isAboutObject } from '../errors/errors.js';
import type { Repository } from '../repository/repository.js';
import { objectPath } from '../storage/store.js';

/** The names that a check has listed of objects that other commands may remove or replace. */
export class Listed {
  readonly #paths = new Set<string>();

  add(type: 'snapshots' | 'index', names: Iterable<string>): void {
    for (const name of names) this.#paths.add(objectPath(type, name));
  }

  /** Whether one of them is gone. An object that can no longer be listed does not count as gone. */
  async hasChanged({ store }: Repository): Promise<boolean> {
    const left = new Set(this.#paths);
    try {
      for (const type of ['snapshots', 'index'] as const)
        for await (const { name } of store.list(type)) left.delete(objectPath(type, name));
    } catch (cause) {
      if (!isAboutObject(cause)) throw cause;
      return false;
    }
    return left.size > 0;
  }
}
