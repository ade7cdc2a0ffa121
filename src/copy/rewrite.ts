// Rewrites snapshots without excluded files, or with another host or time.
// Walking and storing trees is left to TreeRewriter and rewriteSnapshots.

import type { Buffer } from 'node:buffer';
import type { VarveError } from '../errors/errors.js';
import { BackupFilter, NO_FILTER } from '../filesystem/filter.js';
import { PatternList, type PatternSpec } from '../filesystem/patterns.js';
import { type ContentRef, sameReference } from '../format/content.js';
import type { BadEntry, EntryReader } from '../format/entry-reader.js';
import type { Snapshot } from '../format/snapshot.js';
import { loadIndex } from '../repository/index/index-store.js';
import { TreeReader } from '../repository/reading/tree-reader.js';
import type { Repository } from '../repository/repository.js';
import { References } from '../repository/rewriting/references.js';
import { RewriteMemo } from '../repository/rewriting/rewrite-memo.js';
import {
  type RewriteEvent,
  type RewriteOptions,
  type RewriteResult,
  rewriteSnapshots,
  summaryOf,
} from '../repository/rewriting/rewrite-snapshots.js';
import {
  type RewrittenDirectory,
  TreeRewriter,
  type TreeVisitor,
  type Verdict,
} from '../repository/rewriting/tree-rewriter.js';
import type { StoredSnapshot } from '../repository/snapshots/snapshots.js';
import type { RepositoryWriter } from '../repository/writing/repository-writer.js';
import type { Time } from '../time/time.js';

export type EditEvent =
  | RewriteEvent
  | { readonly kind: 'excluded'; readonly path: Buffer; readonly rule: string }
  /** An entry that cannot be read. It stays as it is stored. */
  | { readonly kind: 'unreadable'; readonly error: VarveError };

export interface EditOptions
  extends Omit<RewriteOptions, 'operation' | 'tag' | 'load' | 'begin' | 'onEvent' | 'largestBlob'> {
  /** Patterns of what the new snapshots leave out. */
  readonly excludes: readonly string[];
  readonly iexcludes: readonly string[];
  /** If not empty, new snapshots have only what matches, and the directories above it. */
  readonly includes?: readonly PatternSpec[];
  readonly newHost?: string | undefined;
  readonly newTime?: Time | undefined;
  /** Whether to rewrite a snapshot also when the counts in its summary are wrong or missing. */
  readonly summary: boolean;
  readonly onEvent?: (event: EditEvent) => void;
}

/** Rewrites snapshots without what is excluded, or with another host or time. Needs a manage key. */
export function editSnapshots(
  repository: Repository,
  snapshots: readonly StoredSnapshot[],
  options: EditOptions,
): Promise<RewriteResult> {
  return rewriteSnapshots(repository, snapshots, {
    ...options,
    operation: 'rewrite',
    tag: 'rewrite',
    load: () => loadIndex(repository),
    begin: (writer) => new SnapshotEditor(writer, options),
  });
}

class SnapshotEditor implements TreeVisitor {
  readonly #options: EditOptions;
  readonly #filter: BackupFilter;
  readonly #includes: readonly PatternList[];
  readonly #references: References;
  readonly #rewriter: TreeRewriter;
  readonly #memo = new RewriteMemo();

  constructor(writer: RepositoryWriter, options: EditOptions) {
    const { excludes, iexcludes, signal } = options;
    this.#options = options;
    this.#filter = new BackupFilter({ ...NO_FILTER, excludes, iexcludes });
    this.#includes = (options.includes ?? []).map((spec) => new PatternList(spec)).filter(({ empty }) => !empty);
    const reader = new TreeReader(writer.repository, { signal });
    this.#references = new References(writer.repository.index, reader);
    this.#rewriter = new TreeRewriter(reader, writer, this, signal);
  }

  async make({ snapshot }: StoredSnapshot): Promise<Snapshot | undefined> {
    const rewritten = await this.#rewriter.rewrite(snapshot.root);
    // As in restic, a snapshot of which nothing is included stays.
    if (this.#includes.length > 0 && rewritten.content.size === 0) return undefined;
    const { newHost, newTime, summary } = this.#options;
    const after = { ...snapshot, host: newHost ?? snapshot.host, time: newTime ?? snapshot.time };
    const differs = summary && !hasCounts(snapshot, rewritten);
    const changed = !sameReference(rewritten.content, snapshot.root) || newHost !== undefined || newTime !== undefined;
    if (!changed && !differs) return undefined;
    const counted = summary || snapshot.summary !== undefined;
    return {
      ...after,
      root: rewritten.content,
      summary: counted ? summaryOf(snapshot, rewritten) : undefined,
    };
  }

  visit(entry: EntryReader, path: Buffer): Verdict | Promise<Verdict> {
    const rule = this.#includes.length > 0 ? this.#omission(entry, path) : this.#filter.rejectPath(path);
    if (rule === undefined) return this.#keep(entry, path);
    this.#options.onEvent?.({ kind: 'excluded', path, rule });
    return 'drop';
  }

  keepsEmpty(path: Buffer): boolean {
    return this.#includes.length === 0 || this.#includes.some((list) => list.match(path).matched);
  }

  /** The reason why a path is left out; undefined when it is included, or a directory that may contain something included. */
  #omission({ type }: EntryReader, path: Buffer): string | undefined {
    const matches = this.#includes.map((list) => list.match(path));
    const isWanted = matches.some(({ matched, childMayMatch }) => matched || (type === 'directory' && childMayMatch));
    return isWanted ? undefined : '--include';
  }

  async #keep(entry: EntryReader, path: Buffer): Promise<Verdict> {
    await this.#references.addEntry(entry, path);
    return 'keep';
  }

  mayKeep(content: ContentRef): boolean | Promise<boolean> {
    return this.#references.add(content);
  }

  unreadable(cause: unknown): void {
    throw cause;
  }

  /** Keeps the entry: a later version of varve may be able to read it. */
  keepsBad({ error }: BadEntry): boolean {
    this.#options.onEvent?.({ kind: 'unreadable', error });
    return true;
  }

  recall(content: ContentRef, path: Buffer): RewrittenDirectory | undefined {
    return this.#memo.get(content, path);
  }

  remember(content: ContentRef, path: Buffer, rewritten: RewrittenDirectory): void {
    this.#memo.add(content, rewritten, path);
  }
}

function hasCounts({ summary }: Snapshot, { files, bytes }: RewrittenDirectory): boolean {
  return summary?.total_files_processed === files && summary.total_bytes_processed === bytes;
}
