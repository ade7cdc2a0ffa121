import { VarveError } from '../errors/errors.js';
import { timeFromMillis } from '../format/time.js';
import {
  listSnapshots,
  matchesFilter,
  mayBeNewer,
  type SnapshotFilter,
  type SnapshotList,
} from '../repository/snapshots/snapshots.js';
import type { Source } from './filesystem/source.js';
import type { CurrentView } from './filesystem/view-nodes.js';
import { snapshotView, type ViewDirectory } from './view/snapshot-view.js';

/** Milliseconds after which snapshots are listed again when somebody looks. */
const FRESH_MS = 5_000;
/** Milliseconds that somebody waits for that: then the snapshots are as they were, until the store has answered. */
const PATIENCE_MS = 3_000;

export interface LiveViewOptions {
  readonly filter: SnapshotFilter;
  readonly pathTemplates: readonly string[];
  readonly timeTemplate: string;
  readonly onError: (message: string) => void;
}

const XATTRS =
  'a new snapshot has extended attributes, which this mount does not show, as there were none before: mount again to see them';

const NO_LATEST = 'no directory is called "latest": the snapshot that cannot be read may be the newest';

/** The snapshots that there are, as they come and go. */
export class LiveView implements CurrentView {
  readonly #source: Source;
  readonly #options: LiveViewOptions;
  #view: ViewDirectory = { kind: 'directory', children: new Map() };
  #ids = '';
  #known = new Set<string>();
  #told = new Set<string>();
  #listed = Number.NEGATIVE_INFINITY;
  #listing: Promise<void> | undefined;
  changed: readonly [number, number] = [0, 0];
  /** Whether any snapshot has extended attributes, or may have; and whether the kernel was told that none has. */
  #xattrs = true;
  #toldOfNone = false;

  constructor(source: Source, options: LiveViewOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** Lists the snapshots for the first time. @param snapshots those that there are when the index was read after them */
  begin(snapshots: SnapshotList): void {
    this.#tell(snapshots);
    this.#take(snapshots);
    this.#listed = performance.now();
  }

  async current(): Promise<ViewDirectory> {
    if (performance.now() - this.#listed < FRESH_MS) return this.#view;
    this.#listing ??= this.#refresh().finally(() => {
      this.#listing = undefined;
      this.#listed = performance.now();
    });
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS);
    });
    await Promise.race([this.#listing, patience]);
    clearTimeout(timer);
    return this.#view;
  }

  withoutXattrs(): boolean {
    this.#toldOfNone ||= !this.#xattrs;
    return this.#toldOfNone;
  }

  async #refresh(): Promise<void> {
    try {
      const list = await listSnapshots(this.#source.repository);
      this.#tell(list);
      // What new ones need is in the index by now: it was written before they were.
      if (list.snapshots.some(({ id }) => !this.#known.has(id))) await this.#source.reload();
      this.#take(list);
    } catch (cause) {
      this.#options.onError(`the snapshots are shown as they were: ${VarveError.from(cause).message}`);
    }
  }

  #tell({ failures }: SnapshotList): void {
    for (const { id, error } of failures) {
      if (!this.#told.has(id)) this.#options.onError(`a snapshot is left out: ${error.message}`);
      this.#told.add(id);
    }
  }

  #take({ snapshots, failures }: SnapshotList): void {
    const ids = snapshots.map(({ id }) => id);
    const joined = [...ids, ...failures.map(({ id }) => id)].join();
    if (joined === this.#ids && this.#known.size > 0) return;
    const { filter, pathTemplates, timeTemplate } = this.#options;
    const shown = snapshots.filter(({ snapshot }) => matchesFilter(snapshot, filter));
    this.#xattrs = shown.some(({ snapshot }) => snapshot.summary?.entries_with_xattrs !== 0);
    if (this.#xattrs && this.#toldOfNone && !this.#told.has(XATTRS)) {
      this.#told.add(XATTRS);
      this.#options.onError(XATTRS);
    }
    this.#view = snapshotView(shown, pathTemplates, timeTemplate, this.#isLatestKnown(shown, failures));
    this.#ids = joined;
    this.#known = new Set(ids);
    const { seconds, nanoseconds } = timeFromMillis(Date.now());
    this.changed = [seconds, nanoseconds];
  }

  /** A link to an older snapshot must not be called the latest. */
  #isLatestKnown(shown: SnapshotList['snapshots'], failures: SnapshotList['failures']): boolean {
    if (mayBeNewer(failures, shown.at(-1)).length === 0) return true;
    if (!this.#told.has(NO_LATEST)) this.#options.onError(NO_LATEST);
    this.#told.add(NO_LATEST);
    return false;
  }
}
