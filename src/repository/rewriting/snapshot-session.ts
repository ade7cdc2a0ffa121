// Writes snapshots one after another from one state of the index, and begins again with a new one when a prune interferes.
// The content is left to a SnapshotMaker, the order of writes to writing/commit.ts.
import { VarveError } from '../../errors/errors.js';
import type { Snapshot } from '../../format/snapshot.js';
import type { IndexedRepository } from '../index/index-store.js';
import { retryCondemned } from '../writing/commit.js';
import { RepositoryWriter, type WriterOptions } from '../writing/repository-writer.js';

/** Makes the content of snapshots, with one state of the index. */
export interface SnapshotMaker<Order> {
  /** @returns undefined to write no snapshot */
  make(order: Order): Promise<Snapshot | undefined>;
}

export interface SessionOptions<Order> extends WriterOptions {
  /** Its name in errors, such as `rewrite`. */
  readonly operation: string;
  /** Reads the index. */
  readonly load: () => Promise<IndexedRepository>;
  /** Makes a maker for each state of the index. It must not rely on what an earlier maker stored. */
  readonly begin: (writer: RepositoryWriter) => SnapshotMaker<Order> | Promise<SnapshotMaker<Order>>;
}

/** Attempts at one snapshot. What neither the index nor a condemned pack has at the last one is lost. */
const ATTEMPTS = 4;

/** A snapshot that was written, or would be but for a dry run. */
export interface MadeSnapshot {
  /** Undefined for a dry run. */
  readonly id: string | undefined;
  readonly snapshot: Snapshot;
}

interface State<Order> {
  readonly writer: RepositoryWriter;
  readonly maker: SnapshotMaker<Order>;
}

/** The caller holds a lease. */
export class SnapshotSession<Order> {
  readonly #options: SessionOptions<Order>;
  #state: State<Order> | undefined;

  constructor(options: SessionOptions<Order>) {
    this.#options = options;
  }

  /**
   * @returns undefined when the maker made nothing
   * @throws VarveError `incomplete` when prunes condemn what it relies on again and again, or when that is lost
   */
  async write(order: Order): Promise<MadeSnapshot | undefined> {
    const { operation } = this.#options;
    const { made } = await retryCondemned(operation, ATTEMPTS, (last) => this.#attempt(order, last));
    return made;
  }

  /** @returns undefined when it has to be tried again with a new index */
  async #attempt(order: Order, last: boolean): Promise<{ readonly made: MadeSnapshot | undefined } | undefined> {
    const { writer, maker } = await this.#begin();
    try {
      const snapshot = await maker.make(order);
      if (snapshot === undefined) return { made: undefined };
      if (this.#options.dryRun === true) return { made: { id: undefined, snapshot } };
      const id = await writer.commit(snapshot);
      if (id !== undefined) return { made: { id, snapshot } };
    } catch (cause) {
      // What an old index calls condemned or lost may be in another pack by now.
      const isLost = cause instanceof VarveError && cause.code === 'incomplete';
      if (!isLost || last) throw cause;
      await writer.salvage();
    }
    this.#state = undefined;
    return undefined;
  }

  /** Lists what was stored. To be called at the end, even after a failure. */
  async close(): Promise<void> {
    await this.#state?.writer.salvage();
  }

  async #begin(): Promise<State<Order>> {
    if (this.#state !== undefined) return this.#state;
    const writer = new RepositoryWriter(await this.#options.load(), this.#options);
    this.#state = { writer, maker: await this.#options.begin(writer) };
    return this.#state;
  }
}
