/** A step of a transfer. */
export interface Step {
  /** What it takes of the window while it is under way. */
  readonly cost: number;
  readonly run: () => Promise<unknown>;
}

/** Lets so much be under way at a time, of all transfers together. Each waits with one step, so a new one soon has its turn. */
export class Window {
  #free: number;
  readonly #waiting: { readonly cost: number; readonly go: () => void; readonly refuse: (cause: unknown) => void }[] =
    [];

  constructor(size: number) {
    this.#free = size;
  }

  /**
   * Runs steps, begun in order, without waiting for one before the next begins. After one has failed no other is begun.
   * Resolves when all that were begun have ended.
   *
   * @throws what the first to fail threw
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
