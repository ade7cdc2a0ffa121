import { isAboutObject, isUnreadable, throwIfInterrupted, VarveError } from '../errors/errors.js';
import type { IndexedPack } from '../format/index-object.js';
import { type IndexedRepository, indexedPack } from '../repository/index/index-store.js';
import { digestOf, type ListedPacks } from '../repository/index/listed-packs.js';
import { originOfRead, UNREAD } from '../repository/index/trust.js';
import { heal } from '../repository/packs/healing.js';
import { type PackDirectory, readPackDirectory, verifyPack } from '../repository/packs/pack-directory.js';
import { eachAtMost, REQUESTS } from '../workers/in-flight.js';
import type { RepairIndexOptions } from './options.js';

/** Compares the index with the packs' own directories. */
export class PackSurvey {
  /** Packs in the store: size by name. */
  readonly stored = new Map<string, number>();
  /** Packs to list, as their own directories describe them. */
  readonly packs: IndexedPack[] = [];
  /** Names of index objects that describe a pack wrongly. */
  readonly wrong = new Set<string>();
  /** Names of packs that are listed, not condemned, and gone. */
  readonly missing: string[] = [];
  /** Names of packs that are damaged themselves. */
  readonly damaged: string[] = [];
  /** Names of packs that could not be read: their contents are unknown. */
  readonly unreadable: string[] = [];
  added = 0;
  corrected = 0;
  readonly #repository: IndexedRepository;
  readonly #listed: ListedPacks;
  readonly #own: ReadonlySet<string>;
  readonly #options: RepairIndexOptions;

  /** @param own names of the index objects whose signers are trusted */
  constructor(
    repository: IndexedRepository,
    listed: ListedPacks,
    own: ReadonlySet<string>,
    options: RepairIndexOptions,
  ) {
    this.#repository = repository;
    this.#listed = listed;
    this.#own = own;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { store, packs, condemned } = this.#repository;
    const { signal, onEvent, readAllPacks } = this.#options;
    for await (const { name, size } of store.list('data')) this.stored.set(name, size);
    for (const name of packs) if (!this.stored.has(name) && !condemned.has(name)) this.#miss(name);
    let done = 0;
    await eachAtMost(REQUESTS, [...this.stored.keys()], async (name) => {
      throwIfInterrupted(signal);
      await this.#look(name, readAllPacks === true);
      onEvent?.({ kind: 'pack', done: ++done, total: this.stored.size });
    });
  }

  #miss(name: string): void {
    this.missing.push(name);
    for (const { by } of this.#listed.of(name)) for (const object of by) this.wrong.add(object);
    this.#options.onEvent?.({ kind: 'missing', name });
  }

  async #look(name: string, again: boolean): Promise<void> {
    const statements = this.#listed.of(name);
    const directory = await this.#directoryOf(name);
    if (directory === undefined) return;
    const { record } = directory;
    const size = this.stored.get(name) as number;
    const digest = digestOf(record);
    const isTrue = (each: { size: number; digest: string }): boolean => each.size === size && each.digest === digest;
    const untrue = statements.filter((each) => !isTrue(each));
    const proven = untrue.length > 0 ? await this.#proven(name) : undefined;
    if (untrue.length > 0 && proven === undefined) return;
    for (const { by } of untrue) for (const object of by) this.wrong.add(object);
    const byOwn = statements.some(({ by }) => by.some((object) => this.#own.has(object)));
    if (untrue.length === 0 && statements.length > 0 && !(again && byOwn)) return;
    const read = proven && originOfRead(proven.signer, this.#repository);
    const stated = statements.find(isTrue)?.origin;
    const origin = read?.vouched === true || stated === undefined ? (read ?? UNREAD) : stated;
    this.packs.push(indexedPack(name, size, record, origin));
    if (statements.length === 0) this.added++;
    if (untrue.length === 0) return;
    this.corrected++;
    this.#options.onEvent?.({ kind: 'corrected', name });
  }

  /** @returns undefined if it cannot be read: then the index is left alone, as it may be right */
  async #directoryOf(name: string): Promise<PackDirectory | undefined> {
    return this.#healing(name, () => readPackDirectory(this.#repository, name, this.stored.get(name) as number));
  }

  /** The directory of a pack that matches its name: it is right wherever the index disagrees. */
  #proven(name: string): Promise<PackDirectory | undefined> {
    return this.#healing(name, async () =>
      verifyPack(this.#repository, name, await this.#repository.store.get('data', name)),
    );
  }

  /** Reads from a pack, and again after its parity has healed it. @returns undefined if that fails, which is recorded */
  async #healing<T>(name: string, read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (cause) {
      if (!(await this.#heal(name, cause))) return this.#fail(name, cause);
    }
    return read().catch((cause) => this.#fail(name, cause));
  }

  async #heal(name: string, cause: unknown): Promise<boolean> {
    const { store, config } = this.#repository;
    if (!isAboutObject(cause) || config.parity === 0 || this.#options.dryRun === true) return false;
    try {
      if (!(await heal(store, name))) return false;
      const info = await store.stat('data', name);
      if (info !== undefined) this.stored.set(name, info.size);
      return true;
    } catch (failure) {
      if (!isAboutObject(failure)) throw failure;
      return false;
    }
  }

  /** @throws the cause, unless it is about the pack */
  #fail(name: string, cause: unknown): undefined {
    if (!isAboutObject(cause)) throw cause;
    const { message } = VarveError.from(cause);
    if (isUnreadable(cause)) {
      this.unreadable.push(name);
      this.#options.onEvent?.({ kind: 'unreadable-pack', name, message });
    } else {
      this.damaged.push(name);
      this.#options.onEvent?.({ kind: 'damaged-pack', name, message });
    }
  }
}
