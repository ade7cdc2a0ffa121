// Heals damaged packs by their parity during a check.
// The code of the parity itself is in parity/.
import { throwIfInterrupted } from '../errors/errors.js';
import { findHealing, putHealed } from '../repository/packs/healing.js';
import type { Store } from '../storage/store.js';
import { type Findings, IS_MISSING } from './findings.js';
import { isGone } from './verdicts.js';

/** A pack that was damaged and matches its name again. */
export interface HealedPack {
  readonly name: string;
  /** Shards that were damaged. */
  readonly damaged: number;
  /** All of its shards. */
  readonly shards: number;
}

/** Heals packs by their parity. */
export class PackHealer {
  readonly healed: HealedPack[] = [];
  readonly #store: Store;
  readonly #onHealed: (pack: HealedPack) => void;
  /** One at a time: each takes the memory of two packs. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(store: Store, onHealed: (pack: HealedPack) => void = () => undefined) {
    this.#store = store;
    this.#onHealed = onHealed;
  }

  /** @returns whether it is healed @throws VarveError `not-found`, or when it cannot be written */
  heal(name: string): Promise<boolean> {
    const healing = this.#queue.then(() => this.#heal(name));
    this.#queue = healing.catch(() => undefined);
    return healing;
  }

  async #heal(name: string): Promise<boolean> {
    const healing = await findHealing(this.#store, name);
    if (healing.kind !== 'healed') return false;
    const { bytes, damaged, shards } = healing;
    await putHealed(this.#store, name, bytes);
    const healed = { name, damaged, shards };
    this.healed.push(healed);
    this.#onHealed(healed);
    return true;
  }
}

/** Records for each damaged pack whether its parity can heal it. */
export async function judgeByParity(store: Store, findings: Findings, signal: AbortSignal | undefined): Promise<void> {
  for (const finding of findings.all) {
    throwIfInterrupted(signal);
    if (finding.subject !== 'data' || finding.reason === IS_MISSING) continue;
    try {
      const healing = await findHealing(store, finding.name);
      if (healing.kind === 'healed') finding.healable = true;
      if (healing.kind === 'beyond') finding.add(healing.reason);
    } catch (cause) {
      if (!isGone(cause)) throw cause;
    }
  }
}
