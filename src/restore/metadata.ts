import type { Buffer } from 'node:buffer';
import { fchmodSync, fchownSync } from 'node:fs';
import { systemReason } from '../errors/errors.js';
import type { OwnerNames } from '../filesystem/owners.js';
import { fchmodat, fchownat, futimens, type Timestamp, utimensat } from '../filesystem/posix.js';
import type { EntryReader } from '../format/entry.js';
import type { OwnerRules } from './messages.js';

/** Sets owner, mode and times of what was restored. What cannot be set is told to `warn`. */
export class MetadataSetter {
  readonly #rules: OwnerRules;
  readonly #owners: OwnerNames;

  constructor(rules: OwnerRules, owners: OwnerNames) {
    this.#rules = rules;
    this.#owners = owners;
  }

  /** Of an open file. The owner comes first: changing it clears the setuid bits. */
  onFile(file: number, entry: EntryReader, warn: (what: string) => void): void {
    const { uid, gid } = this.#owner(entry);
    if (this.#rules.set) attempt(warn, 'owner', () => fchownSync(file, uid, gid));
    attempt(warn, 'mode', () => fchmodSync(file, entry.mode));
    attempt(warn, 'times', () => futimens(file, accessTime(entry), modificationTime(entry)));
  }

  /** Of a name in an open folder; a link itself, not what it points to. */
  onName(folder: number, name: Buffer, entry: EntryReader, warn: (what: string) => void): void {
    const { uid, gid } = this.#owner(entry);
    if (this.#rules.set) attempt(warn, 'owner', () => fchownat(folder, name, uid, gid));
    if (entry.type !== 'symlink') attempt(warn, 'mode', () => fchmodat(folder, name, entry.mode));
    attempt(warn, 'times', () => utimensat(folder, name, accessTime(entry), modificationTime(entry)));
  }

  /** By name where this machine knows the name, as the numbers may mean somebody else here. */
  #owner(entry: EntryReader): { uid: number; gid: number } {
    if (this.#rules.numeric || !this.#rules.set) return { uid: entry.uid, gid: entry.gid };
    return {
      uid: (entry.user !== '' ? this.#owners.uidOf(entry.user) : undefined) ?? entry.uid,
      gid: (entry.group !== '' ? this.#owners.gidOf(entry.group) : undefined) ?? entry.gid,
    };
  }
}

function attempt(warn: (what: string) => void, what: string, set: () => void): void {
  try {
    set();
  } catch (cause) {
    warn(`cannot set ${what}: ${systemReason(cause)}`);
  }
}

const modificationTime = (entry: EntryReader): Timestamp => ({
  seconds: entry.mtimeSeconds,
  nanoseconds: entry.mtimeNanoseconds,
});

const accessTime = (entry: EntryReader): Timestamp =>
  entry.atime === undefined ? modificationTime(entry) : { seconds: entry.atime[0], nanoseconds: entry.atime[1] };
