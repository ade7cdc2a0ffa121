// Reads the parent snapshot's entries, and compares them with what the file system has.
// What follows from a difference is decided in entry-storer.ts.
import { Buffer } from 'node:buffer';
import { entriesOf } from '../format/directory-parser.js';
import type { EntryStat } from '../format/entry.js';
import { type BadEntry, EntryReader } from '../format/entry-reader.js';
import type { SyncTreeReader } from '../repository/reading/blob-reader.js';
import type { ChangeRules } from './messages.js';

/** Receives problems with the parent snapshot. */
export interface PreviousDirectoryListener {
  /** The rest of the directory cannot be read: nothing more is found, and the files are read again. */
  readonly onDamage: (cause: unknown) => void;
  /** One entry cannot be read: its file is read again. */
  readonly onBad: (bad: BadEntry) => void;
}

/** The entries of a directory in the parent snapshot, to be asked for in ascending order of name. */
export class PreviousDirectory {
  /** The directory's own entry. */
  readonly entry: EntryReader | undefined;
  readonly #entries: Iterator<EntryReader> | undefined;
  readonly #listener: PreviousDirectoryListener;
  #current: EntryReader | undefined;
  #count = 0;
  #found = 0;

  /** @param raw the directory's own entry in the parent snapshot */
  constructor(raw: Uint8Array | undefined, trees: SyncTreeReader, what: string, listener: PreviousDirectoryListener) {
    this.#listener = listener;
    const entry = raw && readEntry(raw, what);
    const content = entry?.type === 'directory' ? entry.content : undefined;
    if (entry === undefined || content === undefined) return;
    this.entry = entry;
    const onBad = (bad: BadEntry): void => {
      this.#count = Number.NaN;
      listener.onBad(bad);
    };
    this.#entries = entriesOf(trees.stream(content), what, onBad)[Symbol.iterator]();
    this.#advance();
  }

  /** The entry with this name; valid until the next call. */
  find(name: Buffer): EntryReader | undefined {
    while (this.#current !== undefined) {
      const order = this.#current.compareName(name);
      if (order > 0) return undefined;
      if (order === 0) {
        this.#found++;
        return this.#current;
      }
      this.#advance();
    }
    return undefined;
  }

  /** Whether every entry was found by find(). */
  allFound(): boolean {
    while (this.#current !== undefined) this.#advance();
    return this.entry !== undefined && this.#found === this.#count;
  }

  #advance(): void {
    this.#current = undefined;
    try {
      const next = this.#entries?.next();
      if (next === undefined || next.done === true) return;
      this.#count++;
      this.#current = next.value;
    } catch (cause) {
      this.#count = Number.NaN;
      this.#listener.onDamage(cause);
    }
  }
}

/** Reads bytes that hold one entry. */
export function readEntry(raw: Uint8Array, what: string): EntryReader | undefined {
  const reader = new EntryReader(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength), what);
  return reader.next() ? reader : undefined;
}

/** Whether a file is unchanged (size, times, inode), so that the parent's content is still its own. */
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

/** Whether all other stored fields of lstat are the same too, so that the encoded entry can be reused. */
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
