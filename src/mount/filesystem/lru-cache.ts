// A cache with limits on the number and the weight of its values.
// What is cached, and how heavy it is, is left to its users.

export interface LruLimits<Value> {
  readonly maxEntries?: number;
  readonly maxWeight?: number;
  /** The weight of a value when it is added. Without it, values weigh nothing. */
  readonly weigh?: (value: Value) => number;
  /** Called with a value that is evicted or replaced, or whose key is deleted. */
  readonly onEvict?: (value: Value) => void;
}

/** A cache that evicts the least recently used values beyond its limits. It always keeps the last one added. */
export class LruCache<Key, Value> {
  readonly #entries = new Map<Key, { readonly value: Value; readonly weight: number }>();
  readonly #limits: LruLimits<Value>;
  #weight = 0;

  constructor(limits: LruLimits<Value>) {
    this.#limits = limits;
  }

  get(key: Key): Value | undefined {
    const found = this.#entries.get(key);
    if (found === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, found);
    return found.value;
  }

  set(key: Key, value: Value): void {
    this.delete(key);
    const { maxEntries = Number.POSITIVE_INFINITY, maxWeight = Number.POSITIVE_INFINITY, weigh } = this.#limits;
    const weight = weigh?.(value) ?? 0;
    this.#entries.set(key, { value, weight });
    this.#weight += weight;
    for (const oldest of this.#entries.keys()) {
      if ((this.#weight <= maxWeight && this.#entries.size <= maxEntries) || oldest === key) break;
      this.delete(oldest);
    }
  }

  delete(key: Key): void {
    const found = this.#entries.get(key);
    if (found === undefined) return;
    this.#entries.delete(key);
    this.#weight -= found.weight;
    this.#limits.onEvict?.(found.value);
  }

  clear(): void {
    for (const key of this.#entries.keys()) this.delete(key);
  }
}
