import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { aboutPath, endsAll, throwIfInterrupted, VarveError } from '../errors/errors.js';
import type { ContentRef } from '../format/content.js';
import type { EntryReader } from '../format/entry-reader.js';
import { MAX_DEPTH } from '../format/limits.js';
import { joinPath } from '../format/path.js';
import { TimeSlices } from '../repository/reading/time-slices.js';
import type { TreeReader } from '../repository/reading/tree-reader.js';

/** What is found at an entry. */
export interface Found<Hit> {
  readonly hits: readonly Hit[];
  /** Whether something below the entry may be found, when it is a directory. */
  readonly below: boolean;
}

/** Says what is looked for. The same for each snapshot: by path and content alone. */
export interface Finder<Hit> {
  /** @param parent the directory that the entry is in */
  look(path: Buffer, entry: EntryReader, parent: ContentRef): Found<Hit> | Promise<Found<Hit>>;
  /** What is found of a directory's content, the root's included. */
  directory?(path: Buffer, content: ContentRef): Promise<readonly Hit[]>;
}

export interface SearchOptions {
  /** Is told what could not be read; the rest is searched all the same. */
  readonly onError: (error: VarveError) => void;
  readonly signal?: AbortSignal;
}

interface Directory {
  readonly path: Buffer;
  readonly content: ContentRef;
  readonly depth: number;
}

const ROOT = Buffer.from('/');

/** Searches snapshots, one after the other. A directory that is the same in several is read once, as far as memory allows. */
export class Search<Hit> {
  readonly #reader: TreeReader;
  readonly #finder: Finder<Hit>;
  readonly #options: SearchOptions;
  readonly #memory = new HitMemory<Hit>();
  readonly #slices: TimeSlices;

  constructor(reader: TreeReader, finder: Finder<Hit>, options: SearchOptions) {
    this.#reader = reader;
    this.#finder = finder;
    this.#options = options;
    this.#slices = new TimeSlices(options.signal);
  }

  /** @param onHit is told of each hit, directories before what is in them, in order of name */
  async run(root: ContentRef, onHit: (hit: Hit) => void): Promise<void> {
    await this.#directory({ path: ROOT, content: root, depth: 0 }, onHit);
  }

  /** @returns all that was found; undefined when it is too much to be remembered, or a part could not be read */
  async #directory(directory: Directory, onHit: (hit: Hit) => void): Promise<readonly Hit[] | undefined> {
    const key = keyOf(directory);
    const known = this.#memory.get(key);
    if (known !== undefined) {
      await this.#slices.step();
      for (const hit of known) onHit(hit);
      return known;
    }
    const hits = new Gathered<Hit>();
    try {
      await this.#read(directory, hits, onHit);
    } catch (cause) {
      this.#tell(directory.path, cause);
      return undefined;
    }
    if (hits.all !== undefined) this.#memory.add(key, hits.all);
    return hits.all;
  }

  async #read(directory: Directory, gathered: Gathered<Hit>, onHit: (hit: Hit) => void): Promise<void> {
    const { path, content, depth } = directory;
    if (depth > MAX_DEPTH) throw new VarveError('damaged', 'directories are nested too deeply');
    const own = (await this.#finder.directory?.(path, content)) ?? [];
    for (const hit of own) onHit(hit);
    gathered.add(own);
    for await (const entry of this.#reader.entries(content, path.toString())) {
      throwIfInterrupted(this.#options.signal);
      const child = joinPath(path, entry.name);
      const found = await this.#look(child, entry, content);
      for (const hit of found?.hits ?? []) onHit(hit);
      gathered.add(found?.hits);
      const subdirectory = found?.below !== false && entry.type === 'directory' ? entry.content : undefined;
      if (subdirectory === undefined) continue;
      gathered.add(await this.#directory({ path: child, content: subdirectory, depth: depth + 1 }, onHit));
    }
  }

  /** Undefined when what belongs to the entry could not be read. */
  async #look(path: Buffer, entry: EntryReader, parent: ContentRef): Promise<Found<Hit> | undefined> {
    try {
      return await this.#finder.look(path, entry, parent);
    } catch (cause) {
      this.#tell(path, cause);
      return undefined;
    }
  }

  #tell(path: Buffer, cause: unknown): void {
    const error = aboutPath(path.toString(), cause);
    if (!(error instanceof VarveError) || endsAll(error)) throw error;
    this.#options.onError(error);
  }
}

/** What is found in a directory depends on where it is, too. */
function keyOf({ path, content: { size, depth, ids } }: Directory): string {
  const hash = createHash('sha256').update(path).update(`\0${size} ${depth} `).update(ids);
  return hash.digest().toString('latin1', 0, KEY_BYTES);
}

/** Bytes of a hash that keys a map: 128 bits tell all apart. */
const KEY_BYTES = 16;
/** A directory with more hits than this in and below it is read again each time. */
const MAX_GATHERED = 10_000;
/** What may be remembered, in directories of about 100 bytes. */
const CAPACITY = 500_000;
/** A hit takes about as much as so many directories. */
const HIT_WEIGHT = 8;

/** The hits in and below a directory, until they are too many. */
class Gathered<Hit> {
  all: Hit[] | undefined = [];

  add(hits: readonly Hit[] | undefined): void {
    if (hits === undefined || this.all === undefined || this.all.length + hits.length > MAX_GATHERED)
      this.all = undefined;
    else for (const hit of hits) this.all.push(hit);
  }
}

/** The hits in and below directories; the oldest are forgotten when there are too many. */
class HitMemory<Hit> {
  readonly #hits = new Map<string, readonly Hit[]>();
  #weight = 0;

  get(key: string): readonly Hit[] | undefined {
    return this.#hits.get(key);
  }

  add(key: string, hits: readonly Hit[]): void {
    this.#hits.set(key, hits);
    this.#weight += weightOf(hits);
    for (const [oldest, forgotten] of this.#hits) {
      if (this.#weight <= CAPACITY) break;
      this.#hits.delete(oldest);
      this.#weight -= weightOf(forgotten);
    }
  }
}

function weightOf(hits: readonly unknown[]): number {
  return 1 + HIT_WEIGHT * hits.length;
}
