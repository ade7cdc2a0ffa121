/** A step of a transfer. */
export interface Step {
  /** Its share of the window while it runs. */
  readonly cost: number;
  readonly run: () => Promise<unknown>;
}

/** Limits what all transfers have in flight. Each transfer waits with one step, so a new one soon gets its turn. */
export class Window {
  #free: number;
  readonly #waiting: { readonly cost: number; readonly go: () => void; readonly refuse: (cause: unknown) => void }[] =
    [];

  constructor(size: number) {
    this.#free = size;
  }

  /**
   * Starts steps in order without waiting for each to end. After a failure it starts no more. Resolves when all started steps have ended.
   *
   * @throws the first error
   */
  async run(steps: Iterable<Step>): Promise<void> {
    const begun: Promise<void>[] = [];
    const failures: unknown[] = [];
    const failed = (cause: unknown): void => void failures.push(cause);
    for (const { cost, run } of steps) {
      await this.#take(cost).then(() => {
        if (failures.length > 0) this.#give(cost);
        else
          begun.push(
            run()
              .catch(failed)
              .then(() => this.#give(cost)),
          );
      }, failed);
      if (failures.length > 0) break;
    }
    await Promise.all(begun);
    if (failures.length > 0) throw failures[0];
  }

  /** Whether something waits for its turn. */
  get full(): boolean {
    return this.#waiting.length > 0;
  }

  /** Fails all that wait for their turn. */
  refuse(cause: unknown): void {
    for (const { refuse } of this.#waiting.splice(0)) refuse(cause);
  }

  async #take(cost: number): Promise<void> {
    if (this.#waiting.length === 0 && cost <= this.#free) this.#free -= cost;
    else await new Promise<void>((go, refuse) => this.#waiting.push({ cost, go, refuse }));
  }

  #give(cost: number): void {
    this.#free += cost;
    for (let first = this.#waiting[0]; first !== undefined && first.cost <= this.#free; first = this.#waiting[0]) {
      this.#free -= first.cost;
      this.#waiting.shift();
      first.go();
    }
  }
}
