import { isAboutObject } from '../errors/errors.js';
import type { Repository } from '../repository/repository.js';
import { objectPath } from '../storage/store.js';

/** Names of objects that commands beside a check remove or replace, as a check has listed them. */
export class Listed {
  readonly #paths = new Set<string>();

  add(type: 'snapshots' | 'index', names: Iterable<string>): void {
    for (const name of names) this.#paths.add(objectPath(type, name));
  }

  /** Whether one of them is gone. What cannot be listed any more is not taken for gone. */
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
