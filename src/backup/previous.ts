import { Buffer } from 'node:buffer';
import { compareBytes } from '../bytes/views.js';
import { entriesOf } from '../format/directory-parser.js';
import { EntryReader, type EntryStat } from '../format/entry.js';
import type { SyncTreeReader } from '../repository/blob-reader.js';
import type { ChangeRules } from './messages.js';

/** The entries of a directory as the parent snapshot has them, asked for in ascending order of name. */
export class PreviousDirectory {
  readonly #entries: Iterator<EntryReader> | undefined;
  #current: EntryReader | undefined;

  /** @param raw the directory's own entry in the parent snapshot */
  constructor(raw: Uint8Array | undefined, trees: SyncTreeReader, what: string) {
    const entry = raw && readEntry(raw, what);
    if (entry?.type !== 'directory' || entry.content === undefined) return;
    this.#entries = entriesOf(trees.stream(entry.content), what)[Symbol.iterator]();
    this.#advance();
  }

  /** The entry with this name; valid until the next call. */
  find(name: Buffer): EntryReader | undefined {
    while (this.#current !== undefined) {
      const order = compareBytes(this.#current.name, name);
      if (order === 0) return this.#current;
      if (order > 0) return undefined;
      this.#advance();
    }
    return undefined;
  }

  #advance(): void {
    const next = this.#entries?.next();
    this.#current = next === undefined || next.done === true ? undefined : next.value;
  }
}

/** The one entry that the bytes hold. */
export function readEntry(raw: Uint8Array, what: string): EntryReader | undefined {
  const reader = new EntryReader(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength), what);
  return reader.next() ? reader : undefined;
}

/** Whether a file's content can be taken over from the parent snapshot (size, times and inode are the same). */
export function sameContent(previous: EntryStat, stat: EntryStat, rules: ChangeRules): boolean {
  return (
    previous.type === 'file' &&
    stat.type === 'file' &&
    previous.size === stat.size &&
    previous.mtimeSeconds === stat.mtimeSeconds &&
    previous.mtimeNanoseconds === stat.mtimeNanoseconds &&
    (rules.ignoreInode || previous.inode === stat.inode) &&
    (rules.ignoreCtime ||
      (previous.ctimeSeconds === stat.ctimeSeconds && previous.ctimeNanoseconds === stat.ctimeNanoseconds)) &&
    stat.mtimeSeconds < rules.racySince &&
    (rules.ignoreCtime || stat.ctimeSeconds < rules.racySince)
  );
}

/** Whether everything else that an entry records of lstat is the same too, so that its encoding can be taken over. */
export function sameMetadata(previous: EntryStat, stat: EntryStat): boolean {
  return (
    previous.type === stat.type &&
    previous.mode === stat.mode &&
    previous.uid === stat.uid &&
    previous.gid === stat.gid &&
    previous.mtimeSeconds === stat.mtimeSeconds &&
    previous.mtimeNanoseconds === stat.mtimeNanoseconds &&
    previous.ctimeSeconds === stat.ctimeSeconds &&
    previous.ctimeNanoseconds === stat.ctimeNanoseconds &&
    previous.inode === stat.inode &&
    previous.device === stat.device &&
    previous.links === (stat.type === 'directory' || stat.links < 1 ? 1 : stat.links)
  );
}
