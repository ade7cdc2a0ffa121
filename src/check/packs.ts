import { throwIfInterrupted } from '../errors/errors.js';
import { digestOf, type ListedPack } from '../repository/index/listed-packs.js';
import { readPackRecord } from '../repository/packs/pack-directory.js';
import type { Repository } from '../repository/repository.js';
import type { ObjectInfo } from '../storage/store.js';
import { eachAtMost, REQUESTS } from '../workers/in-flight.js';
import type { BadBlobs } from './bad-blobs.js';
import { type Findings, IS_MISSING } from './findings.js';
import type { CheckProgress } from './options.js';
import { isGone } from './verdicts.js';

/** A pack is not as an index object says: one of the two is wrong. */
export interface Contradiction {
  /** Name of the index object. */
  readonly by: string;
  /** What is said when it is the pack. */
  readonly ofPack: string;
}

/** A pack that the store has. */
export interface StoredPack extends ObjectInfo {
  /** Undefined for one that no index object lists. */
  readonly listed: ListedPack | undefined;
  readonly contradictions: Contradiction[];
}

export interface PackCheckSetting {
  readonly repository: Repository;
  readonly listed: ReadonlyMap<string, ListedPack>;
  readonly condemned: ReadonlySet<string>;
  readonly findings: Findings;
  readonly bad: BadBlobs;
  readonly signal: AbortSignal | undefined;
  readonly progress: CheckProgress;
}

/** Compares the packs that the store has with those that the index lists, and each one's own directory with what the index says of it. */
export class PackCheck {
  /** All that the store has. */
  readonly stored: StoredPack[] = [];
  /** Packs of which something is wrong: what of them can be had is seen when they are read whole. */
  readonly suspect: StoredPack[] = [];
  /** Whether packs are missing that are not condemned. */
  someMissing = false;
  readonly #setting: PackCheckSetting;

  constructor(setting: PackCheckSetting) {
    this.#setting = setting;
  }

  async run(): Promise<void> {
    const { repository, listed, progress, signal } = this.#setting;
    const missing = new Set(listed.keys());
    for await (const info of repository.store.list('data')) {
      this.stored.push({ ...info, listed: listed.get(info.name), contradictions: [] });
      missing.delete(info.name);
    }
    progress.total = this.stored.length;
    for (const name of missing) this.#missing(name);
    await eachAtMost(REQUESTS, this.stored, async (pack) => {
      throwIfInterrupted(signal);
      await this.#compare(pack);
      progress.done++;
    });
  }

  /** One that is condemned may be gone, unless a snapshot needs it. */
  #missing(name: string): void {
    const { listed, condemned, findings, bad } = this.#setting;
    const finding = () => findings.addAbsence('data', name, IS_MISSING);
    if (!condemned.has(name)) {
      finding();
      this.someMissing = true;
    }
    bad.addPack((listed.get(name) as ListedPack).number, finding);
  }

  async #compare(pack: StoredPack): Promise<void> {
    const { name, size } = pack;
    const { findings, repository } = this.#setting;
    let opened = true;
    try {
      contradict(pack, digestOf(await readPackRecord(repository, name, size)));
    } catch (cause) {
      // Deleted by a prune since it was listed.
      if (isGone(cause)) return;
      findings.addError('data', name, cause);
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
