// Finds the directories that no snapshot and no other directory refers to.
// recover.ts makes snapshots of them.
import { Buffer } from 'node:buffer';
import { throwIfInterrupted, VarveError } from '../errors/errors.js';
import { type ContentRef, TREE } from '../format/content.js';
import { EntryReader } from '../format/entry-reader.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { splitIds } from '../repository/reading/content-stream.js';
import { TreeReader } from '../repository/reading/tree-reader.js';
import type { DirectoryFacts, DirectorySurvey } from './directory-survey.js';
import type { UnreadableObjects } from './unreadable.js';

/** A directory that nothing refers to. */
export interface Root extends DirectoryFacts {
  /** The id of its first blob, in hex. */
  readonly id: string;
  /** Undefined if its end is lost. */
  readonly content: ContentRef | undefined;
  /** Its whole entries, encoded. */
  readonly entries: Buffer;
}

/** The first blobs of a directory, as far as they are found. */
interface Chain {
  readonly ids: Buffer[];
  bytes: Buffer;
  /** Bytes of whole entries. */
  whole: number;
}

/**
 * Finds directories that no visited snapshot and no directory refers to. Of a directory of several blobs only the first one can be
 * recognised; the others are tried one after another until the entries continue.
 */
export class RootSearch {
  readonly #index: IndexedRepository['index'];
  readonly #trees: TreeReader;
  readonly #survey: DirectorySurvey;
  readonly #unreadable: UnreadableObjects;
  readonly #signal: AbortSignal | undefined;
  readonly #found: Root[] = [];

  /** @param unreadable collects what cannot be read */
  constructor(
    repository: IndexedRepository,
    survey: DirectorySurvey,
    unreadable: UnreadableObjects,
    signal?: AbortSignal,
  ) {
    this.#unreadable = unreadable;
    this.#index = repository.index;
    this.#trees = new TreeReader(repository, { signal });
    this.#survey = survey;
    this.#signal = signal;
  }

  /** @param ids of all tree blobs, 32 bytes each */
  async run(ids: Iterable<Buffer>): Promise<Root[]> {
    const begun: Buffer[] = [];
    const others: Buffer[] = [];
    for (const id of this.#unreferenced(ids)) {
      const bytes = await this.#read(id);
      if (bytes === undefined) continue;
      const chain = { ids: [id], bytes, whole: wholeEntries(bytes) };
      if (chain.whole === bytes.length) await this.#add(chain);
      else (chain.whole > 0 ? begun : others).push(id);
    }
    for (const id of begun) await this.#follow(id, others);
    return this.#found.filter((root) => !this.#survey.isReferenced(this.#index.find(Buffer.from(root.id, 'hex'))));
  }

  *#unreferenced(columns: Iterable<Buffer>): Generator<Buffer> {
    const seen = new Uint8Array(this.#index.size);
    for (const column of columns) {
      for (const id of splitIds(column)) {
        const blob = this.#index.find(id);
        if (blob < 0 || seen[blob] === 1 || this.#survey.isReferenced(blob)) continue;
        seen[blob] = 1;
        yield id;
      }
    }
  }

  async #follow(id: Buffer, others: readonly Buffer[]): Promise<void> {
    if (this.#survey.isReferenced(this.#index.find(id))) return;
    const bytes = await this.#read(id);
    if (bytes === undefined) return;
    const chain: Chain = { ids: [id], bytes, whole: wholeEntries(bytes) };
    while (chain.whole < chain.bytes.length && (await this.#extend(chain, others)));
    await this.#add(chain);
  }

  /** Adds the first blob that continues the entries. */
  async #extend(chain: Chain, others: readonly Buffer[]): Promise<boolean> {
    for (const id of others) {
      if (chain.ids.includes(id) || this.#survey.isReferenced(this.#index.find(id))) continue;
      const next = await this.#read(id);
      if (next === undefined) continue;
      const bytes = Buffer.concat([chain.bytes, next]);
      const whole = wholeEntries(bytes);
      if (whole <= chain.whole) continue;
      chain.ids.push(id);
      Object.assign(chain, { bytes, whole });
      return true;
    }
    return false;
  }

  async #add({ ids, bytes, whole }: Chain): Promise<void> {
    const isComplete = whole === bytes.length;
    const content = isComplete ? { size: whole, depth: 0 as const, ids: Buffer.concat(ids) } : undefined;
    const entries = bytes.subarray(0, whole);
    const facts = content ? await this.#survey.visit(content) : await this.#survey.visitEntries(entriesOf(entries));
    const root = { ...facts, whole: facts.whole && isComplete, content, entries };
    this.#found.push({ ...root, id: (ids[0] as Buffer).toString('hex') });
  }

  /** @returns undefined if the blob cannot be read */
  async #read(id: Buffer): Promise<Buffer | undefined> {
    throwIfInterrupted(this.#signal);
    try {
      return Buffer.from(await this.#trees.blob(id));
    } catch (cause) {
      this.#unreadable.pass(cause);
      return undefined;
    }
  }
}

/** Bytes of the whole entries at the beginning; 0 if something other than entries is found. */
function wholeEntries(bytes: Buffer): number {
  const reader = new EntryReader(bytes, '');
  try {
    while (reader.next());
    return reader.position;
  } catch (cause) {
    if (VarveError.from(cause).code !== 'damaged') throw cause;
    return 0;
  }
}

function* entriesOf(bytes: Buffer): Generator<EntryReader> {
  const reader = new EntryReader(bytes, '');
  while (reader.next()) yield reader;
}

/** The ids of tree blobs that index objects list. */
export const treeIds = (
  packs: Iterable<{ readonly record: { readonly kind: number; readonly ids: Buffer } }>,
): Buffer[] => [...packs].flatMap(({ record }) => (record.kind === TREE ? [record.ids] : []));
