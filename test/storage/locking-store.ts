import { VarveError } from '../../src/errors/errors.js';
import { isLongEnough } from '../../src/storage/lock-term.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import { type LockedType, type ObjectType, objectPath } from '../../src/storage/store.js';

/** Locks what is put, as a bucket with Object Lock, but for keeping it from being removed. */
export class LockingStore extends MemoryStore {
  override readonly location = 'memory:locking';
  lockSeconds: number;
  /** Until when, by path. */
  readonly locks = new Map<string, number>();
  /** Objects that `extend` was asked for. */
  readonly asked: string[] = [];

  constructor(lockSeconds: number, clock?: () => number) {
    super(clock);
    this.lockSeconds = lockSeconds;
  }

  override async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
    await super.put(type, name, parts);
    if (type !== 'locks') await this.#lock(objectPath(type, name));
  }

  async extend(type: LockedType, name: string): Promise<number> {
    const path = objectPath(type, name);
    this.asked.push(path);
    if ((await this.stat(type, name)) === undefined) throw new VarveError('not-found', `${path}: missing`);
    return this.#lock(path);
  }

  async #lock(path: string): Promise<number> {
    const now = await this.now();
    const before = this.locks.get(path) ?? 0;
    const until = isLongEnough(before, now, this.lockSeconds) ? before : now + this.lockSeconds;
    this.locks.set(path, until);
    return until;
  }
}
