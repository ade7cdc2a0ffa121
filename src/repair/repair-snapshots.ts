// Makes copies of damaged snapshots without what is lost.
// repository/rewriting/ writes them.
import type { Buffer } from 'node:buffer';
import { type ErrorCode, explainInterruption, VarveError } from '../errors/errors.js';
import { type ContentRef, DATA, sameReference } from '../format/content.js';
import type { BadEntry, EntryReader } from '../format/entry-reader.js';
import { Layout } from '../format/layout.js';
import { joinPath } from '../format/path.js';
import type { Snapshot } from '../format/snapshot.js';
import { type IndexedRepository, loadIndex } from '../repository/index/index-store.js';
import { locateBlob } from '../repository/reading/blob-reader.js';
import { checkSize, splitIds } from '../repository/reading/content-stream.js';
import { TreeReader } from '../repository/reading/tree-reader.js';
import { type Repository, uncached } from '../repository/repository.js';
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
import { healTreePacks } from './heal-packs.js';
import { INTERRUPTED } from './interruption.js';

/** What the new snapshot lacks: a file, the rest of a directory after the point where its list breaks off, or the attributes of a path. */
export interface Loss {
  readonly kind: 'lost';
  readonly what: 'file' | 'entry' | 'directory' | 'attributes';
  readonly stored: StoredSnapshot;
  readonly path: Buffer;
  readonly reason: string;
}

export type RepairSnapshotsEvent = RewriteEvent | Loss;

export interface RepairSnapshotsOptions
  extends Omit<RewriteOptions, 'operation' | 'tag' | 'load' | 'begin' | 'onEvent' | 'largestBlob'> {
  readonly onEvent?: (event: RepairSnapshotsEvent) => void;
}

/** Errors that mean that something is damaged or gone, not only unreachable. */
const LOST: readonly ErrorCode[] = ['damaged', 'not-found'];

/**
 * Rewrites each damaged snapshot without what is lost: files with a blob in no pack, and entries after the point where a directory's list
 * breaks off. Everything else stays. Needs a manage key. Damage inside packs counts only after `varve repair packs` has removed it from the index.
 */
export async function repairSnapshots(
  repository: Repository,
  snapshots: readonly StoredSnapshot[],
  options: RepairSnapshotsOptions,
): Promise<RewriteResult> {
  // An object that exists only in this machine's cache is lost for all other machines.
  const stored = uncached(repository);
  return explainInterruption(INTERRUPTED, () =>
    rewriteSnapshots(stored, snapshots, {
      ...options,
      operation: 'repair',
      tag: 'repaired',
      load: () => loadWithoutLost(stored, options),
      begin: (writer) => new Repair(writer, options),
    }),
  );
}

/** The index without packs that are gone. Other packs may hold some of their blobs. */
async function loadWithoutLost(
  repository: Repository,
  { dryRun, signal }: RepairSnapshotsOptions,
): Promise<IndexedRepository> {
  const indexed = await loadIndex(repository);
  if (dryRun !== true) await healTreePacks(indexed, signal);
  const gone = new Set(indexed.packs);
  for await (const { name } of repository.store.list('data')) gone.delete(name);
  return gone.size === 0 ? indexed : loadIndex(repository, { lost: gone });
}

class Repair implements TreeVisitor {
  readonly #options: RepairSnapshotsOptions;
  readonly #reader: TreeReader;
  readonly #index: IndexedRepository['index'];
  readonly #references: References;
  readonly #rewriter: TreeRewriter;
  readonly #sound = new RewriteMemo();
  #stored: StoredSnapshot | undefined;

  constructor(writer: RepositoryWriter, options: RepairSnapshotsOptions) {
    this.#options = options;
    this.#index = writer.repository.index;
    this.#reader = new TreeReader(writer.repository, { signal: options.signal });
    this.#references = new References(this.#index, this.#reader);
    this.#rewriter = new TreeRewriter(this.#reader, writer, this, options.signal);
  }

  async make(stored: StoredSnapshot): Promise<Snapshot | undefined> {
    const { snapshot } = stored;
    this.#stored = stored;
    const rewritten = await this.#rewriter.rewrite(snapshot.root);
    if (sameReference(rewritten.content, snapshot.root)) return undefined;
    if (rewritten.content.size === 0)
      throw new VarveError('damaged', 'nothing in it can be read, so there is nothing to make a new snapshot of');
    return { ...snapshot, root: rewritten.content, summary: summaryOf(snapshot, rewritten) };
  }

  async visit(entry: EntryReader, path: Buffer): Promise<Verdict> {
    if (entry.type === 'file' && (await this.#isLost('file', path, () => this.#file(entry, path)))) return 'drop';
    const { xattrs } = entry;
    const bare = xattrs !== undefined && (await this.#isLost('attributes', path, () => this.#reader.xattrs(entry, '')));
    const kept = bare ? { ...entry.entry(), xattrs: undefined, ctimeSeconds: 0, ctimeNanoseconds: 0 } : entry;
    await this.#references.addEntry(kept, path);
    return kept === entry ? 'keep' : (kept as Verdict);
  }

  mayKeep(content: ContentRef): boolean | Promise<boolean> {
    return this.#references.add(content);
  }

  unreadable(cause: unknown, path: Buffer): void {
    this.#lose('directory', path, cause);
  }

  keepsBad({ name, error }: BadEntry, directory: Buffer): boolean {
    this.#lose('entry', name === undefined ? directory : joinPath(directory, name), error);
    return false;
  }

  /** Sound directories are visited once. Damaged ones are visited at each path, so that each loss is reported. */
  recall(content: ContentRef): RewrittenDirectory | undefined {
    return this.#sound.get(content);
  }

  remember(content: ContentRef, _path: Buffer, rewritten: RewrittenDirectory): void {
    if (!rewritten.changed) this.#sound.add(content, rewritten);
  }

  /** @throws VarveError when a part of the file is lost */
  async #file({ content, holes, size }: EntryReader, path: Buffer): Promise<void> {
    if (content === undefined) throw new VarveError('internal', `${path}: a file without content`);
    let length = 0;
    for await (const ids of this.#reader.lists(content))
      for (const id of splitIds(ids)) length += locateBlob(this.#index, id, DATA).length;
    checkSize(length, content.size);
    if (holes !== undefined) Layout.decode(await this.#reader.attachment(holes), size, content.size, 'its holes');
  }

  async #isLost(what: Loss['what'], path: Buffer, read: () => Promise<unknown>): Promise<boolean> {
    try {
      await read();
      return false;
    } catch (cause) {
      this.#lose(what, path, cause);
      return true;
    }
  }

  /** @throws the cause, unless something is damaged or gone */
  #lose(what: Loss['what'], path: Buffer, cause: unknown): void {
    const { code, message } = VarveError.from(cause);
    if (!LOST.includes(code) || this.#stored === undefined) throw cause;
    const reason = message.replace(/; run `varve check[^`]*`$/, '');
    this.#options.onEvent?.({ kind: 'lost', what, stored: this.#stored, path, reason });
  }
}
