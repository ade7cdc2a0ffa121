// The step of a check that compares the packs in the store with the index.
// content.ts reads what is in the packs.
import { throwIfInterrupted } from '../errors/errors.js';
import { digestOf, type ListedPack } from '../repository/index/listed-packs.js';
import { type PackDirectory, readPackDirectory } from '../repository/packs/pack-directory.js';
import type { Repository } from '../repository/repository.js';
import type { ObjectInfo } from '../storage/store.js';
import { eachAtMost, REQUESTS } from '../workers/in-flight.js';
import type { BadBlobs } from './bad-blobs.js';
import type { CheckRun } from './check-run.js';
import { IS_MISSING } from './findings.js';
import { isGone } from './verdicts.js';

/** An index object and a pack disagree: one of them is wrong. */
export interface Contradiction {
  /** Name of the index object. */
  readonly by: string;
  /** The reason to report if the pack is wrong. */
  readonly ofPack: string;
}

/** A pack that the store has. */
export interface StoredPack extends ObjectInfo {
  /** Undefined for a pack that no index object lists. */
  readonly listed: ListedPack | undefined;
  readonly contradictions: Contradiction[];
  /** Its own directory, once it was read. */
  directory?: PackDirectory;
}

/** What the index says of packs. */
export interface IndexedPacks {
  readonly listed: ReadonlyMap<string, ListedPack>;
  readonly condemned: ReadonlySet<string>;
  /** Gets the blobs of packs that are missing. */
  readonly bad: BadBlobs;
}

/** Compares the packs in the store with the index, and each pack's directory with what the index says of it. */
export class PackCheck {
  /** All packs in the store. */
  readonly stored: StoredPack[] = [];
  /** Packs with something wrong. Reading them whole shows which of their blobs are sound. */
  readonly suspect: StoredPack[] = [];
  /** Whether packs are missing that are not condemned. */
  someMissing = false;
  readonly #run: CheckRun;
  readonly #repository: Repository;
  readonly #indexed: IndexedPacks;

  constructor(run: CheckRun, repository: Repository, indexed: IndexedPacks) {
    this.#run = run;
    this.#repository = repository;
    this.#indexed = indexed;
  }

  async run(): Promise<void> {
    const { progress, options } = this.#run;
    const { listed } = this.#indexed;
    const missing = new Set(listed.keys());
    for await (const info of this.#repository.store.list('data')) {
      this.stored.push({ ...info, listed: listed.get(info.name), contradictions: [] });
      missing.delete(info.name);
    }
    progress.total = this.stored.length;
    for (const name of missing) this.#missing(name);
    await eachAtMost(REQUESTS, this.stored, async (pack) => {
      throwIfInterrupted(options.signal);
      await this.#compare(pack);
      progress.done++;
    });
  }

  /** A condemned pack may be missing, unless a snapshot needs it. */
  #missing(name: string): void {
    const { listed, condemned, bad } = this.#indexed;
    const finding = () => this.#run.findings.addAbsence('data', name, IS_MISSING);
    if (!condemned.has(name)) {
      finding();
      this.someMissing = true;
    }
    bad.addPack((listed.get(name) as ListedPack).number, finding);
  }

  async #compare(pack: StoredPack): Promise<void> {
    const { name, size } = pack;
    let opened = true;
    try {
      pack.directory = await readPackDirectory(this.#repository, name, size);
      contradict(pack, digestOf(pack.directory.record));
    } catch (cause) {
      // Deleted by a prune since it was listed.
      if (isGone(cause)) return;
      this.#run.findings.addError('data', name, cause);
      contradict(pack);
      opened = false;
    }
    if (!opened || pack.contradictions.length > 0) this.suspect.push(pack);
  }
}

/** @param digest of its directory, when that could be read */
function contradict({ size, listed, contradictions }: StoredPack, digest?: string): void {
  for (const { by: objects, size: stated, digest: statedDigest } of listed?.statements ?? []) {
    const isSame = stated === size && (digest === undefined || statedDigest === digest);
    if (isSame) continue;
    const ofPack =
      stated === size ? 'is another pack than the index says' : `has ${size} bytes, not ${stated} as the index says`;
    for (const by of objects) contradictions.push({ by, ofPack });
  }
}
