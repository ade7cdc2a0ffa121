// Compares two directories of snapshots, entry by entry.
// Counting blobs is left to blob-tally.ts, comparing two entries to entry-differences.ts.

import { Buffer } from 'node:buffer';
import { aboutPath, endsAll, throwIfInterrupted, VarveError } from '../errors/errors.js';
import { type ContentRef, sameReference } from '../format/content.js';
import type { BadEntry, EntryReader } from '../format/entry-reader.js';
import { MAX_DEPTH } from '../format/limits.js';
import { joinPath } from '../format/path.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { type EntryPair, pairEntries } from '../repository/reading/entry-pairs.js';
import { TreeReader } from '../repository/reading/tree-reader.js';
import { type BlobCounts, BlobTally, type Side } from './blob-tally.js';
import { sameContent, sameMetadata } from './entry-differences.js';

/** A difference between two snapshots. */
export interface Change {
  /** Ends with a slash when it is a directory in the second snapshot, or in the first if it was removed. */
  readonly path: Buffer;
  /** restic's: `+` added, `-` removed, `T` other type, `M` other content, `U` other metadata; `?` after M: only the content differs. */
  readonly modifier: string;
}

export interface DiffCounts extends BlobCounts {
  files: number;
  dirs: number;
  others: number;
}

export interface Differences {
  changedFiles: number;
  readonly added: DiffCounts;
  readonly removed: DiffCounts;
}

export interface DiffOptions {
  /** Whether to report entries of which only the metadata changed. */
  readonly metadata: boolean;
  readonly onChange: (change: Change) => void;
  /** Called with what could not be read. The rest is compared. */
  readonly onError: (error: VarveError) => void;
  readonly signal?: AbortSignal;
}

/** Compares two directories of snapshots. */
export async function diff(
  repository: IndexedRepository,
  before: ContentRef,
  after: ContentRef,
  options: DiffOptions,
): Promise<Differences> {
  return new Comparison(repository, options).compare(before, after);
}

const ROOT = Buffer.from('/');

function noCounts(): DiffCounts {
  return { files: 0, dirs: 0, others: 0, dataBlobs: 0, treeBlobs: 0, bytes: 0 };
}

/** A directory and its depth. */
interface Directory {
  readonly path: Buffer;
  readonly depth: number;
}

/** A side that is only one snapshot. */
type OneSide = Exclude<Side, 'both'>;

class Comparison {
  readonly #reader: TreeReader;
  readonly #tally: BlobTally;
  readonly #options: DiffOptions;
  readonly #result: Differences = { changedFiles: 0, added: noCounts(), removed: noCounts() };

  constructor(repository: IndexedRepository, options: DiffOptions) {
    this.#reader = new TreeReader(repository, { signal: options.signal });
    this.#tally = new BlobTally(repository.index, this.#reader);
    this.#options = options;
  }

  async compare(before: ContentRef, after: ContentRef): Promise<Differences> {
    if (!sameReference(before, after)) await this.#directories({ path: ROOT, depth: 0 }, before, after);
    Object.assign(this.#result.removed, this.#tally.onlyIn('before'));
    Object.assign(this.#result.added, this.#tally.onlyIn('after'));
    return this.#result;
  }

  /** Compares two directories whose content differs. */
  async #directories(directory: Directory, before: ContentRef, after: ContentRef): Promise<void> {
    await this.#inDirectory(directory, async () => {
      await this.#tally.directory('before', before);
      await this.#tally.directory('after', after);
      const path = directory.path.toString();
      // Names that one side has but cannot be read there: the other side's entry counts as neither added nor removed.
      const unreadable = new Set<string>();
      const onBad = (bad: BadEntry): void => {
        if (bad.name !== undefined) unreadable.add(bad.name.toString('latin1'));
        this.#options.onError(bad.error);
      };
      const pairs = pairEntries(this.#reader.entries(before, path, onBad), this.#reader.entries(after, path, onBad));
      for await (const pair of pairs) await this.#pair(directory, pair, unreadable);
    });
  }

  async #pair(directory: Directory, { before, after }: EntryPair, unreadable: ReadonlySet<string>): Promise<void> {
    const name = (before ?? after)?.name;
    if (name === undefined || unreadable.has(name.toString('latin1'))) return;
    const below = { path: joinPath(directory.path, name), depth: directory.depth + 1 };
    if (before === undefined) await this.#oneSided('after', below, after as EntryReader);
    else if (after === undefined) await this.#oneSided('before', below, before);
    else if (before.raw.equals(after.raw)) await this.#unchanged(below, before);
    else await this.#changed(below, before, after);
  }

  async #changed(at: Directory, before: EntryReader, after: EntryReader): Promise<void> {
    const modifier = this.#modifier(before, after);
    if (modifier !== '') this.#report(at.path, after, modifier);
    await this.#attempt(at, async () => {
      await this.#tally.entry('before', before);
      await this.#tally.entry('after', after);
    });
    const [from, to] = [directoryOf(before), directoryOf(after)];
    if (from !== undefined && to !== undefined) {
      if (sameReference(from, to)) await this.#common(at, from);
      else await this.#directories(at, from, to);
    } else if (from !== undefined) await this.#contents('before', at, from);
    else if (to !== undefined) await this.#contents('after', at, to);
  }

  #modifier(before: EntryReader, after: EntryReader): string {
    const { metadata } = this.#options;
    if (before.type !== after.type) return metadata ? 'TU' : 'T';
    const same = sameMetadata(before, after);
    if (sameContent(before, after)) return same || !metadata ? '' : 'U';
    if (after.type !== 'file') return 'M';
    this.#result.changedFiles++;
    return same ? 'M?' : 'M';
  }

  /** Reports an entry that only one snapshot has, with everything below it. */
  async #oneSided(side: OneSide, at: Directory, entry: EntryReader): Promise<void> {
    this.#report(at.path, entry, side === 'before' ? '-' : '+');
    const counts = side === 'before' ? this.#result.removed : this.#result.added;
    if (entry.type === 'file') counts.files++;
    else if (entry.type === 'directory') counts.dirs++;
    else counts.others++;
    await this.#attempt(at, () => this.#tally.entry(side, entry));
    const content = directoryOf(entry);
    if (content !== undefined) await this.#contents(side, at, content);
  }

  async #contents(side: OneSide, directory: Directory, content: ContentRef): Promise<void> {
    await this.#inDirectory(directory, async () => {
      await this.#tally.directory(side, content);
      for await (const entry of this.#reader.entries(content, directory.path.toString()))
        await this.#oneSided(side, { path: joinPath(directory.path, entry.name), depth: directory.depth + 1 }, entry);
    });
  }

  /** Reports nothing, but marks its blobs: they are neither added nor removed. */
  async #unchanged(at: Directory, entry: EntryReader): Promise<void> {
    await this.#attempt(at, () => this.#tally.entry('both', entry));
    const content = directoryOf(entry);
    if (content !== undefined) await this.#common(at, content);
  }

  async #common(directory: Directory, content: ContentRef): Promise<void> {
    if (this.#tally.knows(content)) return;
    await this.#inDirectory(directory, async () => {
      await this.#tally.directory('both', content);
      for await (const entry of this.#reader.entries(content, directory.path.toString()))
        await this.#unchanged({ path: joinPath(directory.path, entry.name), depth: directory.depth + 1 }, entry);
    });
  }

  #report(path: Buffer, { type }: EntryReader, modifier: string): void {
    this.#options.onChange({ path: type === 'directory' ? Buffer.concat([path, ROOT]) : path, modifier });
  }

  async #inDirectory(directory: Directory, action: () => Promise<void>): Promise<void> {
    await this.#attempt(directory, async () => {
      if (directory.depth > MAX_DEPTH) throw new VarveError('damaged', 'directories are nested too deeply');
      await action();
    });
  }

  /** Runs an action and reports an error in the data instead of throwing it. */
  async #attempt({ path }: Directory, action: () => Promise<void> | undefined): Promise<void> {
    throwIfInterrupted(this.#options.signal);
    try {
      await action();
    } catch (cause) {
      const error = aboutPath(path.toString(), cause);
      if (!(error instanceof VarveError) || endsAll(error)) throw error;
      this.#options.onError(error);
    }
  }
}

function directoryOf({ type, content }: EntryReader): ContentRef | undefined {
  return type === 'directory' ? content : undefined;
}
