// Reads directories that no snapshot refers to, and what is wrong with them.
// find-roots.ts chooses those at the top.
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { Int64 } from '../bytes/int64.js';
import { throwIfInterrupted } from '../errors/errors.js';
import { type Attachment, isReference } from '../format/attachment.js';
import { type BlobKind, type ContentRef, DATA, TREE } from '../format/content.js';
import type { EntryReader } from '../format/entry-reader.js';
import { ID_BYTES, MAX_DEPTH } from '../format/limits.js';
import type { BlobIndex } from '../repository/index/blob-index.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { TreeReader } from '../repository/reading/tree-reader.js';
import type { UnreadableObjects } from './unreadable.js';

/** Facts about a directory and everything below it. */
export interface DirectoryFacts {
  /** Whether nothing in it is lost. */
  readonly whole: boolean;
  /** The newest change time of its entries, in seconds since 1970. */
  readonly newest: number;
}

const UNSEEN = 0;
const WHOLE = 1;
const LACKING = 2;
const NOTHING: DirectoryFacts = { whole: true, newest: 0 };

/** Walks directories, each once, as far as they can be read, and marks the tree blobs that they refer to. */
export class DirectorySurvey {
  readonly #index: BlobIndex;
  readonly #trees: TreeReader;
  readonly #unreadable: UnreadableObjects;
  readonly #signal: AbortSignal | undefined;
  /** 1 for each tree blob that something refers to. */
  readonly #referenced: Uint8Array;
  /** Directories of one blob, by its number. `#longer` has the others, by a hash of their reference. */
  readonly #state: Uint8Array;
  readonly #newest: Float64Array;
  readonly #longer = new Map<string, DirectoryFacts>();

  /** @param unreadable collects what cannot be read */
  constructor(repository: IndexedRepository, unreadable: UnreadableObjects, signal?: AbortSignal) {
    this.#unreadable = unreadable;
    this.#index = repository.index;
    this.#trees = new TreeReader(repository, { signal });
    this.#signal = signal;
    this.#referenced = new Uint8Array(repository.index.size);
    this.#state = new Uint8Array(repository.index.size);
    this.#newest = new Float64Array(repository.index.size);
  }

  isReferenced(blob: number): boolean {
    return this.#referenced[blob] === 1;
  }

  /** Marks what a directory refers to, but not the directory itself. */
  async visit(directory: ContentRef, depth = 0): Promise<DirectoryFacts> {
    const known = this.#recall(directory);
    if (known !== undefined) return known;
    const facts = await this.#walk(directory, depth);
    this.#remember(directory, facts);
    return facts;
  }

  /** Does the same for entries that are no whole directory. */
  async visitEntries(entries: Iterable<EntryReader> | AsyncIterable<EntryReader>, depth = 0): Promise<DirectoryFacts> {
    const below: ContentRef[] = [];
    let facts = NOTHING;
    for await (const entry of entries) {
      const whole = await this.#entry(entry, below);
      facts = { whole: facts.whole && whole, newest: Math.max(facts.newest, inRange(entry.ctimeSeconds)) };
    }
    for (const each of below) facts = both(facts, await this.visit(each, depth + 1));
    return facts;
  }

  /** Marks the directory's own blobs. @returns false if some are lost */
  async refer(directory: ContentRef): Promise<boolean> {
    return this.#stream(directory, TREE);
  }

  async #walk(directory: ContentRef, depth: number): Promise<DirectoryFacts> {
    throwIfInterrupted(this.#signal);
    if (depth > MAX_DEPTH) return { whole: false, newest: 0 };
    const read = new Tolerant(this.#unreadable);
    const facts = await this.visitEntries(read.all(this.#trees.entries(directory, '')), depth);
    return { ...facts, whole: facts.whole && !read.failed };
  }

  async #entry({ type, content, xattrs, holes }: EntryReader, below: ContentRef[]): Promise<boolean> {
    const directory = type === 'directory' && content && { ...content, ids: Buffer.from(content.ids) };
    if (directory) below.push(directory);
    const attached = (await this.#attachment(xattrs)) && (await this.#attachment(holes));
    return (content === undefined || (await this.#stream(directory || content, directory ? TREE : DATA))) && attached;
  }

  async #attachment(attachment: Attachment | undefined): Promise<boolean> {
    return !isReference(attachment) || this.#stream(attachment, TREE);
  }

  /** Marks the blobs of a stream and of its lists of ids. @returns false if some are lost */
  async #stream(content: ContentRef, kind: BlobKind): Promise<boolean> {
    let whole = content.depth === 0 || this.#mark(content.ids, TREE);
    const read = new Tolerant(this.#unreadable);
    for await (const ids of read.all(this.#trees.lists(content))) whole = this.#mark(ids, kind) && whole;
    return whole && !read.failed;
  }

  #mark(ids: Buffer, kind: BlobKind): boolean {
    let whole = true;
    for (let at = 0; at < ids.length; at += ID_BYTES) {
      const blob = this.#index.find(ids, at);
      if (blob < 0 || this.#index.packKind(this.#index.packOf(this.#index.locateFrame(blob))) !== kind) whole = false;
      else this.#referenced[blob] = 1;
    }
    return whole;
  }

  #recall(directory: ContentRef): DirectoryFacts | undefined {
    const blob = this.#blobOf(directory);
    if (blob < 0) return this.#longer.get(keyOf(directory));
    if (this.#state[blob] === UNSEEN) return undefined;
    return { whole: this.#state[blob] === WHOLE, newest: this.#newest[blob] as number };
  }

  #remember(directory: ContentRef, facts: DirectoryFacts): void {
    const blob = this.#blobOf(directory);
    if (blob < 0) {
      this.#longer.set(keyOf(directory), facts);
      return;
    }
    this.#state[blob] = facts.whole ? WHOLE : LACKING;
    this.#newest[blob] = facts.newest;
  }

  /** The number of the directory's only blob, or -1. */
  #blobOf({ depth, ids }: ContentRef): number {
    return depth === 0 && ids.length === ID_BYTES ? this.#index.find(ids) : -1;
  }
}

const inRange = (seconds: Int64): number => Math.min(Number.MAX_SAFE_INTEGER, Number(seconds));

const both = (a: DirectoryFacts, b: DirectoryFacts): DirectoryFacts => ({
  whole: a.whole && b.whole,
  newest: Math.max(a.newest, b.newest),
});

function keyOf({ depth, size, ids }: ContentRef): string {
  return createHash('sha256').update(`${depth} ${size} `).update(ids).digest('base64');
}

/** Passes items on until one cannot be read. */
class Tolerant {
  failed = false;
  readonly #unreadable: UnreadableObjects;

  constructor(unreadable: UnreadableObjects) {
    this.#unreadable = unreadable;
  }

  async *all<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item> {
    try {
      yield* items;
    } catch (cause) {
      this.#unreadable.pass(cause);
      this.failed = true;
    }
  }
}
