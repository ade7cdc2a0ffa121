import { type ErrorCode, VarveError } from '../errors/errors.js';
import type { IndexedPack } from '../format/index-object.js';
import type { PackRecord } from '../format/pack-record.js';
import { type IndexedRepository, indexedPack } from '../repository/index-store.js';
import { digestOf, type ListedPacks } from '../repository/listed-packs.js';
import { readPackRecord } from '../repository/pack-directory.js';
import { fetchObject } from '../repository/repository.js';
import { eachAtMost } from '../workers/in-flight.js';
import { interrupted } from './interrupted.js';
import type { RepairIndexOptions } from './options.js';

/** Packs whose directories are fetched at a time. */
const PARALLEL = 8;

/** `role` is also what a changed number of an epoch looks like. */
const ABOUT_PACKS: readonly ErrorCode[] = ['damaged', 'not-found', 'role'];

/** Compares what the index says of packs with what they say of themselves. */
export class PackSurvey {
  /** Bytes of the packs that the store has, by name. */
  readonly stored = new Map<string, number>();
  /** What is to be listed, as the packs say. */
  readonly packs: IndexedPack[] = [];
  /** Names of index objects that say of a pack what is not so. */
  readonly wrong = new Set<string>();
  /** Names of packs that are listed, not condemned, and gone. */
  readonly missing: string[] = [];
  /** Names of packs that are damaged themselves. */
  readonly damaged: string[] = [];
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
    await eachAtMost(PARALLEL, this.stored, async ([name, size]) => {
      if (signal?.aborted === true) throw interrupted();
      await this.#look(name, size, readAllPacks === true);
      onEvent?.({ kind: 'pack', done: ++done, total: this.stored.size });
    });
  }

  #miss(name: string): void {
    this.missing.push(name);
    for (const { by } of this.#listed.of(name)) for (const object of by) this.wrong.add(object);
    this.#options.onEvent?.({ kind: 'missing', name });
  }

  async #look(name: string, size: number, again: boolean): Promise<void> {
    const statements = this.#listed.of(name);
    const record = await this.#directoryOf(name, size);
    if (record === undefined) return;
    const digest = digestOf(record);
    const isTrue = (each: { size: number; digest: string }): boolean => each.size === size && each.digest === digest;
    const untrue = statements.filter((each) => !isTrue(each));
    if (untrue.length > 0 && !(await this.#isProven(name))) return;
    for (const { by } of untrue) for (const object of by) this.wrong.add(object);
    const byOwn = statements.some(({ by }) => by.some((object) => this.#own.has(object)));
    if (untrue.length === 0 && statements.length > 0 && !(again && byOwn)) return;
    this.packs.push(indexedPack(name, size, record));
    if (statements.length === 0) this.added++;
    if (untrue.length === 0) return;
    this.corrected++;
    this.#options.onEvent?.({ kind: 'corrected', name });
  }

  /** Undefined when it cannot be read: then the index may say what it likes of the pack, as it may know better. */
  async #directoryOf(name: string, size: number): Promise<PackRecord | undefined> {
    try {
      return await readPackRecord(this.#repository, name, size);
    } catch (cause) {
      this.#damage(name, cause);
      return undefined;
    }
  }

  /** Whether the pack is what was stored: where it and the index disagree, that decides. */
  async #isProven(name: string): Promise<boolean> {
    try {
      await fetchObject(this.#repository.store, 'data', name);
      return true;
    } catch (cause) {
      this.#damage(name, cause);
      return false;
    }
  }

  /** @throws the cause, unless it is about the pack */
  #damage(name: string, cause: unknown): void {
    const { code, message } = VarveError.from(cause);
    if (!ABOUT_PACKS.includes(code)) throw cause;
    this.damaged.push(name);
    this.#options.onEvent?.({ kind: 'damaged-pack', name, message });
  }
}
