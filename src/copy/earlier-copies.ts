import { Buffer } from 'node:buffer';
import { isAboutObject, throwIfInterrupted } from '../errors/errors.js';
import { type Attachment, isReference } from '../format/attachment.js';
import type { ContentRef } from '../format/content.js';
import type { EntryReader } from '../format/entry-reader.js';
import { ID_BYTES, MAX_DEPTH } from '../format/limits.js';
import type { IndexedRepository } from '../repository/index/index-store.js';
import { pairEntries } from '../repository/reading/entry-pairs.js';
import { TreeReader } from '../repository/reading/tree-reader.js';
import { References } from '../repository/rewriting/references.js';
import type { RewriteMemo } from '../repository/rewriting/rewrite-memo.js';
import type { CopiedIds } from './copied-ids.js';

interface Side {
  readonly repository: IndexedRepository;
  readonly trees: TreeReader;
}

/**
 * Learns the target's ids of contents and directories from a snapshot and its earlier copy, by comparing the two trees. What it learns need
 * not be read again. Records that the new copy relies on it.
 */
export class EarlierCopies {
  readonly #source: Side;
  readonly #target: Side;
  readonly #references: References;
  readonly #ids: CopiedIds;
  readonly #directories: RewriteMemo;
  readonly #signal: AbortSignal | undefined;

  /** @param directories gets the directories of which the target has a complete copy */
  constructor(
    source: IndexedRepository,
    target: IndexedRepository,
    { ids, directories }: { readonly ids: CopiedIds; readonly directories: RewriteMemo },
    signal: AbortSignal | undefined,
  ) {
    this.#source = { repository: source, trees: new TreeReader(source, { signal }) };
    this.#target = { repository: target, trees: new TreeReader(target, { signal }) };
    this.#references = new References(target.index, this.#target.trees);
    this.#ids = ids;
    this.#directories = directories;
    this.#signal = signal;
  }

  async learn(source: ContentRef, copy: ContentRef): Promise<void> {
    await this.#directory(source, copy, 0);
  }

  /** @returns whether the copy of the directory is complete */
  async #directory(source: ContentRef, copy: ContentRef, depth: number): Promise<boolean> {
    throwIfInterrupted(this.#signal);
    if (this.#directories.get(source) !== undefined) return true;
    if (depth > MAX_DEPTH) return false;
    try {
      let whole = await this.#references.add(copy);
      const [before, after] = [this.#source.trees.entries(source, ''), this.#target.trees.entries(copy, '')];
      for await (const { before: from, after: to } of pairEntries(before, after))
        whole = from !== undefined && to !== undefined && (await this.#entry(from, to, depth)) && whole;
      if (whole) this.#directories.add(own(source), { content: own(copy), changed: true, files: 0, bytes: 0 });
      return whole;
    } catch (cause) {
      if (!isAboutObject(cause)) throw cause;
      return false;
    }
  }

  /** @returns whether the copy of the entry is complete */
  async #entry(from: EntryReader, to: EntryReader, depth: number): Promise<boolean> {
    if (from.type !== to.type) return false;
    let whole = sameStat(from, to);
    if (from.content !== undefined && to.content !== undefined) {
      const inside =
        from.type === 'directory' ? this.#directory(from.content, to.content, depth + 1) : this.#file(from, to);
      whole = (await inside) && whole;
    }
    return whole && (await this.#attachment(from.xattrs, to.xattrs)) && (await this.#attachment(from.holes, to.holes));
  }

  async #file(from: EntryReader, to: EntryReader): Promise<boolean> {
    const [source, copy] = [from.content as ContentRef, to.content as ContentRef];
    if (source.size !== copy.size || !sameStat(from, to)) return false;
    const [ids, copied] = [await this.#source.trees.ids(source), await this.#target.trees.ids(copy)];
    if (ids.length !== copied.length) return false;
    let whole = copy.depth === 0 || (await this.#references.add(copy));
    for (let at = 0; at < ids.length; at += ID_BYTES) whole = this.#blob(ids, copied, at) && whole;
    return whole;
  }

  /** Both repositories cut the file alike, so corresponding blobs have the same position and length. */
  #blob(ids: Buffer, copied: Buffer, at: number): boolean {
    const [{ index: from }, { index: to }] = [this.#source.repository, this.#target.repository];
    const [blob, copy] = [from.find(ids, at), to.find(copied, at)];
    if (blob < 0 || copy < 0 || from.lengthOf(blob) !== to.lengthOf(copy) || !to.has(copied, at)) return false;
    this.#ids.set(blob, copied.subarray(at, at + ID_BYTES));
    return true;
  }

  async #attachment(from: Attachment | undefined, to: Attachment | undefined): Promise<boolean> {
    if (from === undefined || to === undefined) return from === to;
    if (!isReference(from) || !isReference(to)) return !isReference(from) && !isReference(to) && from.equals(to);
    if (from.size !== to.size || !(await this.#references.add(to))) return false;
    return (await this.#source.trees.attachment(from)).equals(await this.#target.trees.attachment(to));
  }
}

const own = (content: ContentRef): ContentRef => ({ ...content, ids: Buffer.from(content.ids) });

function sameStat(a: EntryReader, b: EntryReader): boolean {
  const plain = (entry: EntryReader): string =>
    JSON.stringify(
      [
        [entry.mode, entry.uid, entry.gid, entry.user, entry.group, entry.size, entry.inode, entry.device, entry.links],
        [entry.mtimeSeconds, entry.mtimeNanoseconds, entry.ctimeSeconds, entry.ctimeNanoseconds],
        [entry.atime, entry.btime, entry.rdev, entry.target?.toString('latin1')],
      ],
      (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value),
    );
  return plain(a) === plain(b);
}
