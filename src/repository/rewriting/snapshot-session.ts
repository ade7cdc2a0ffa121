import { VarveError } from '../../errors/errors.js';
import type { Snapshot } from '../../format/snapshot.js';
import type { IndexedRepository } from '../index/index-store.js';
import { RepositoryWriter, type WriterOptions } from '../writing/repository-writer.js';

/** What makes the content of snapshots with one state of the index. */
export interface SnapshotMaker<Order> {
  /** Undefined when no snapshot is to be written. */
  make(order: Order): Promise<Snapshot | undefined>;
}

export interface SessionOptions<Order> extends WriterOptions {
  /** Reads the index. */
  readonly load: () => Promise<IndexedRepository>;
  /** Is called again when the index was read anew: then nothing may be taken for stored that an earlier maker knew of. */
  readonly begin: (writer: RepositoryWriter) => SnapshotMaker<Order> | Promise<SnapshotMaker<Order>>;
}

/** How often the index is read again before something is called lost. */
const LOOKS = 3;

/** A snapshot that was written, or would have been. */
export interface MadeSnapshot {
  /** Undefined for a dry run. */
  readonly id: string | undefined;
  readonly snapshot: Snapshot;
}

interface State<Order> {
  readonly writer: RepositoryWriter;
  readonly maker: SnapshotMaker<Order>;
}

/** Writes snapshots one after another: packs, then the index, then the snapshot (SPEC.md section 13). The caller holds a lease. */
export class SnapshotSession<Order> {
  readonly #options: SessionOptions<Order>;
  #state: State<Order> | undefined;

  constructor(options: SessionOptions<Order>) {
    this.#options = options;
  }

  /**
   * @returns undefined when the maker made nothing
   * @throws VarveError `incomplete` when prunes take away again and again what it relies on
   */
  async write(order: Order): Promise<MadeSnapshot | undefined> {
    for (let attempt = 1; ; attempt++) {
      const state = await this.#begin();
      const snapshot = await this.#make(state, order, attempt);
      if (snapshot === 'again') continue;
      if (snapshot === undefined) return undefined;
      if (this.#options.dryRun === true) return { id: undefined, snapshot };
      const id = await state.writer.commit(snapshot);
      if (id !== undefined) return { id, snapshot };
      this.#state = undefined;
      // What could not be copied out of a condemned pack is not there at the third look either.
      if (attempt === LOOKS)
        throw new VarveError(
          'incomplete',
          'a prune is removing what the new snapshot relies on, and it was not made: run it again',
        );
    }
  }

  /** @returns undefined for no snapshot, `again` when the index is to be read again */
  async #make({ writer, maker }: State<Order>, order: Order, attempt: number): Promise<Snapshot | undefined | 'again'> {
    try {
      return await maker.make(order);
    } catch (cause) {
      // What an index that was read a while ago calls condemned or lost may be elsewhere by now.
      const isLost = cause instanceof VarveError && cause.code === 'incomplete';
      if (!isLost || attempt > LOOKS) throw cause;
      await writer.salvage();
      this.#state = undefined;
      return 'again';
    }
  }

  /** At the end, also after a failure: what was stored is listed. */
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
