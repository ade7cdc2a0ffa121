// Keeps the directories of snapshots up to date while the repository is mounted.
// Building them is left to view/snapshot-view.ts, showing them to filesystem/view-nodes.ts.

import { VarveError } from '../errors/errors.js';
import {
  listSnapshots,
  matchesFilter,
  mayBeNewer,
  type SnapshotFilter,
  type SnapshotList,
} from '../repository/snapshots/snapshots.js';
import { timeFromMillis } from '../time/time.js';
import type { LiveRepository } from './filesystem/live-repository.js';
import type { CurrentView } from './filesystem/view-nodes.js';
import { snapshotView, type ViewDirectory } from './view/snapshot-view.js';

/** Milliseconds after which a request for the view lists the snapshots again. */
const FRESH_MS = 5_000;
/** Milliseconds that a request waits for that. Then it gets the old view, until the store has answered. */
const WAIT_MS = 3_000;

export interface LiveViewOptions {
  readonly filter: SnapshotFilter;
  readonly pathTemplates: readonly string[];
  readonly timeTemplate: string;
  readonly onError: (message: string) => void;
}

const XATTRS =
  'a new snapshot has extended attributes, but this mount does not show any because there were none before: mount again to see them';

const NO_LATEST = 'the link "latest" is left out: a snapshot that cannot be read may be the newest';

/** The directories of snapshots, kept up to date while snapshots come and go. */
export class LiveView implements CurrentView {
  readonly #repository: LiveRepository;
  readonly #options: LiveViewOptions;
  #view: ViewDirectory = { kind: 'directory', children: new Map() };
  #ids = '';
  #known = new Set<string>();
  #reported = new Set<string>();
  #listed = Number.NEGATIVE_INFINITY;
  #listing: Promise<void> | undefined;
  changed: readonly [number, number] = [0, 0];
  /** Whether any snapshot may have extended attributes. */
  #xattrs = true;
  /** Whether the kernel was told that there are none. It never asks again then. */
  #xattrsRuledOut = false;

  constructor(repository: LiveRepository, options: LiveViewOptions) {
    this.#repository = repository;
    this.#options = options;
  }

  /** Sets the first list of snapshots. @param snapshots listed before the index was read, so that the index has all of them */
  begin(snapshots: SnapshotList): void {
    this.#report(snapshots);
    this.#update(snapshots);
    this.#listed = performance.now();
  }

  async current(): Promise<ViewDirectory> {
    if (performance.now() - this.#listed < FRESH_MS) return this.#view;
    this.#listing ??= this.#refresh().finally(() => {
      this.#listing = undefined;
      this.#listed = performance.now();
    });
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, WAIT_MS);
    });
    await Promise.race([this.#listing, timeout]);
    clearTimeout(timer);
    return this.#view;
  }

  withoutXattrs(): boolean {
    this.#xattrsRuledOut ||= !this.#xattrs;
    return this.#xattrsRuledOut;
  }

  async #refresh(): Promise<void> {
    try {
      const list = await listSnapshots(this.#repository.current);
      this.#report(list);
      // A new snapshot's packs were in the index before the snapshot was written.
      if (list.snapshots.some(({ id }) => !this.#known.has(id))) await this.#repository.reload();
      this.#update(list);
    } catch (cause) {
      this.#options.onError(`showing the snapshots as they were before: ${VarveError.from(cause).message}`);
    }
  }

  #report({ failures }: SnapshotList): void {
    for (const { id, error } of failures) {
      if (!this.#reported.has(id)) this.#options.onError(`a snapshot is skipped: ${error.message}`);
      this.#reported.add(id);
    }
  }

  #update({ snapshots, failures }: SnapshotList): void {
    const ids = snapshots.map(({ id }) => id);
    const joined = [...ids, ...failures.map(({ id }) => id)].join();
    if (joined === this.#ids && this.#known.size > 0) return;
    const { filter, pathTemplates, timeTemplate } = this.#options;
    const shown = snapshots.filter((stored) => matchesFilter(stored, filter));
    this.#xattrs = shown.some(({ snapshot }) => snapshot.summary?.entries_with_xattrs !== 0);
    if (this.#xattrs && this.#xattrsRuledOut && !this.#reported.has(XATTRS)) {
      this.#reported.add(XATTRS);
      this.#options.onError(XATTRS);
    }
    this.#view = snapshotView(shown, pathTemplates, timeTemplate, this.#isLatestKnown(shown, failures));
    this.#ids = joined;
    this.#known = new Set(ids);
    const { seconds, nanoseconds } = timeFromMillis(Date.now());
    this.changed = [seconds, nanoseconds];
  }

  /** Whether the newest snapshot is known. `latest` must not point to an older one. */
  #isLatestKnown(shown: SnapshotList['snapshots'], failures: SnapshotList['failures']): boolean {
    if (mayBeNewer(failures, shown.at(-1)).length === 0) return true;
    if (!this.#reported.has(NO_LATEST)) this.#options.onError(NO_LATEST);
    this.#reported.add(NO_LATEST);
    return false;
  }
}
