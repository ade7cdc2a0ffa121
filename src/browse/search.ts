// Walks snapshots and collects what a finder matches.
// The finders are find-files.ts and find-objects.ts.

import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { aboutPath, endsAll, throwIfInterrupted, VarveError } from '../errors/errors.js';
import type { ContentRef } from '../format/content.js';
import type { EntryReader } from '../format/entry-reader.js';
import { MAX_DEPTH } from '../format/limits.js';
import { joinPath } from '../format/path.js';
import { TimeSlices } from '../repository/reading/time-slices.js';
import type { TreeReader } from '../repository/reading/tree-reader.js';

/** The result of matching one entry. */
export interface Found<Hit> {
  readonly hits: readonly Hit[];
  /** Whether to search below the entry when it is a directory. */
  readonly below: boolean;
}

/** What to find. The result must depend only on path and content, so that it is the same in each snapshot. */
export interface Finder<Hit> {
  /** @param parent the content of the directory that lists the entry */
  look(path: Buffer, entry: EntryReader, parent: ContentRef): Found<Hit> | Promise<Found<Hit>>;
  /** Matches the content of a directory, the root included. */
  directory?(path: Buffer, content: ContentRef): Promise<readonly Hit[]>;
}

export interface SearchOptions {
  /** Called with what could not be read. The rest is searched. */
  readonly onError: (error: VarveError) => void;
  readonly signal?: AbortSignal;
}

interface Directory {
  readonly path: Buffer;
  readonly content: ContentRef;
  readonly depth: number;
}

const ROOT = Buffer.from('/');

/** Searches snapshots, one after the other. A directory that several snapshots share is read once, as far as memory allows. */
export class Search<Hit> {
  readonly #reader: TreeReader;
  readonly #finder: Finder<Hit>;
  readonly #options: SearchOptions;
  readonly #cache = new HitCache<Hit>();
  readonly #slices: TimeSlices;

  constructor(reader: TreeReader, finder: Finder<Hit>, options: SearchOptions) {
    this.#reader = reader;
    this.#finder = finder;
    this.#options = options;
    this.#slices = new TimeSlices(options.signal);
  }

  /** @param onHit called with each hit, in order of name; directories come before their entries */
  async run(root: ContentRef, onHit: (hit: Hit) => void): Promise<void> {
    await this.#directory({ path: ROOT, content: root, depth: 0 }, onHit);
  }

  /** @returns all hits; undefined when they are too many to cache, or a part could not be read */
  async #directory(directory: Directory, onHit: (hit: Hit) => void): Promise<readonly Hit[] | undefined> {
    const key = keyOf(directory);
    const known = this.#cache.get(key);
    if (known !== undefined) {
      await this.#slices.step();
      for (const hit of known) onHit(hit);
      return known;
    }
    const hits = new HitList<Hit>();
    try {
      await this.#read(directory, hits, onHit);
    } catch (cause) {
      this.#report(directory.path, cause);
      return undefined;
    }
    if (hits.all !== undefined) this.#cache.add(key, hits.all);
    return hits.all;
  }

  async #read(directory: Directory, hits: HitList<Hit>, onHit: (hit: Hit) => void): Promise<void> {
    const { path, content, depth } = directory;
    if (depth > MAX_DEPTH) throw new VarveError('damaged', 'directories are nested too deeply');
    const own = (await this.#finder.directory?.(path, content)) ?? [];
    for (const hit of own) onHit(hit);
    hits.add(own);
    for await (const entry of this.#reader.entries(content, path.toString())) {
      throwIfInterrupted(this.#options.signal);
      const child = joinPath(path, entry.name);
      const found = await this.#look(child, entry, content);
      for (const hit of found?.hits ?? []) onHit(hit);
      hits.add(found?.hits);
      const subdirectory = found?.below !== false && entry.type === 'directory' ? entry.content : undefined;
      if (subdirectory === undefined) continue;
      hits.add(await this.#directory({ path: child, content: subdirectory, depth: depth + 1 }, onHit));
    }
  }

  /** Undefined when data of the entry could not be read. */
  async #look(path: Buffer, entry: EntryReader, parent: ContentRef): Promise<Found<Hit> | undefined> {
    try {
      return await this.#finder.look(path, entry, parent);
    } catch (cause) {
      this.#report(path, cause);
      return undefined;
    }
  }

  #report(path: Buffer, cause: unknown): void {
    const error = aboutPath(path.toString(), cause);
    if (!(error instanceof VarveError) || endsAll(error)) throw error;
    this.#options.onError(error);
  }
}

/** The key of a directory in the cache. The path is part of it, because hits depend on the path. */
function keyOf({ path, content: { size, depth, ids } }: Directory): string {
  const hash = createHash('sha256').update(path).update(`\0${size} ${depth} `).update(ids);
  return hash.digest().toString('latin1', 0, KEY_BYTES);
}

/** Bytes of the hash: 128 bits make collisions impossible in practice. */
const KEY_BYTES = 16;
/** A directory with more hits than this is not cached. */
const MAX_HITS = 10_000;
/** The size of the cache, in directories without hits, of about 100 bytes each. */
const CACHE_WEIGHT = 500_000;
/** A hit takes about as much memory as this many directories. */
const HIT_WEIGHT = 8;

/** The hits in and below a directory; undefined once they are too many. */
class HitList<Hit> {
  all: Hit[] | undefined = [];

  add(hits: readonly Hit[] | undefined): void {
    if (hits === undefined || this.all === undefined || this.all.length + hits.length > MAX_HITS) this.all = undefined;
    else for (const hit of hits) this.all.push(hit);
  }
}

/** A cache of the hits in and below directories. The oldest are evicted. */
class HitCache<Hit> {
  readonly #hits = new Map<string, readonly Hit[]>();
  #weight = 0;

  get(key: string): readonly Hit[] | undefined {
    return this.#hits.get(key);
  }

  add(key: string, hits: readonly Hit[]): void {
    this.#hits.set(key, hits);
    this.#weight += weightOf(hits);
    for (const [oldest, forgotten] of this.#hits) {
      if (this.#weight <= CACHE_WEIGHT) break;
      this.#hits.delete(oldest);
      this.#weight -= weightOf(forgotten);
    }
  }
}

function weightOf(hits: readonly unknown[]): number {
  return 1 + HIT_WEIGHT * hits.length;
}
