import { Buffer } from 'node:buffer';
import { fchmodSync, fchownSync } from 'node:fs';
import { systemReason } from '../errors/errors.js';
import type { OwnerNames } from '../filesystem/owners.js';
import { fchmodat, fchownat, futimens, type Timestamp, utimensat } from '../filesystem/posix.js';
import { type FileStat, fstat, lstat } from '../filesystem/stat.js';
import { listXattrs, readXattrs, removeXattr, setXattr, type XattrPlace } from '../filesystem/xattrs.js';
import type { EntryReader } from '../format/entry-reader.js';
import type { Xattr } from '../format/xattrs.js';
import { isFault } from './faults.js';
import type { MetadataKind, MetadataRules, Trouble } from './messages.js';
import { xattrFilter } from './xattr-filter.js';

/** Is told what was not set: as a warning by its kind, as an error when a fault is the reason (`metadata`). */
export type Warn = (kind: Exclude<Trouble, 'content'>, message: string) => void;

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const SET_ID_BITS = 0o6000;
const WRITABLE_BY_GROUP = 0o020;
const WRITABLE_BY_OTHERS = 0o022;
const WRITABLE_BY_OWNER = 0o200;
const KEEP = -1;
/** Seconds: a smaller difference between times is not worth a warning, as file systems with steps of 100 ns have one nearly always. */
const TIME_GRAIN = 1e-6;
const SYSTEM = Buffer.from('system.');
const SECURITY = Buffer.from('security.');
const CAPABILITY = Buffer.from('security.capability');

/** Sets owner, attributes, mode and times of what was restored, and reports what cannot be set. */
export class MetadataSetter {
  readonly #rules: MetadataRules;
  readonly #owners: OwnerNames;
  readonly #uid = process.geteuid?.() ?? 0;
  readonly #isWanted: (name: Buffer) => boolean;

  constructor(rules: MetadataRules, owners: OwnerNames) {
    this.#rules = rules;
    this.#owners = owners;
    this.#isWanted = xattrFilter(rules.xattrs);
  }

  /**
   * Makes the metadata that of the entry. The owner comes first, as changing it clears the setuid bits and capabilities; the mode after the
   * attributes, as an ACL changes it and as a normal user cannot give attributes to a file that is read-only.
   *
   * @param place an open file or directory, or a name in an open directory: a link itself, not what it points to
   * @param xattrs undefined when they are not known: then they stay as they are
   * @param bare whether it is known to have no attributes yet
   */
  set(place: XattrPlace, entry: EntryReader, xattrs: readonly Xattr[] | undefined, bare: boolean, warn: Warn): void {
    const owned = this.#setOwner(place, entry, warn);
    if (xattrs !== undefined) setXattrs(place, xattrs, { bare, isWanted: this.#isWanted }, warn);
    const mode = entry.type === 'symlink' ? undefined : this.#setMode(place, entry, owned, warn);
    const timed = attempt(warn, 'times', () => setTimes(place, entry));
    this.#lookAgain(place, entry, { owned, mode, timed }, warn);
  }

  /** Warns of what was set without an error and yet is not so: some file systems keep no owners, modes or fine times. */
  #lookAgain(
    place: XattrPlace,
    entry: EntryReader,
    { owned, mode, timed }: { owned: boolean; mode: number | undefined; timed: boolean },
    warn: Warn,
  ): void {
    const stat = statOf(place);
    const { uid, gid } = this.#ownerOf(entry);
    if (owned && (stat.uid !== uid || stat.gid !== gid))
      warn('owner', `its owner is ${stat.uid}:${stat.gid} and not ${uid}:${gid}: the file system did not keep it`);
    if (mode !== undefined && stat.mode !== mode)
      warn('mode', `its mode is ${octal(stat.mode)} and not ${octal(mode)}: the file system did not keep it`);
    const seconds = Number(BigInt(stat.mtimeSeconds) - BigInt(entry.mtimeSeconds));
    const off = Math.abs(seconds + (stat.mtimeNanoseconds - entry.mtimeNanoseconds) / 1e9);
    if (timed && off > TIME_GRAIN)
      warn('times', `its modification time is off by ${formatOff(off)}: the file system did not keep it exactly`);
  }

  /** The same for an open file that was there before. */
  repair(file: number, stat: FileStat, entry: EntryReader, xattrs: readonly Xattr[] | undefined, warn: Warn): void {
    if ((stat.mode & WRITABLE_BY_OWNER) === 0 && xattrs !== undefined && !sameXattrs(file, xattrs, this.#isWanted))
      attempt(warn, 'mode', () => fchmodSync(file, stat.mode | WRITABLE_BY_OWNER));
    this.set(file, entry, xattrs, false, warn);
  }

  /** Whether an open file, or a name, has the entry's metadata. The time of the last access does not count. */
  matches(file: XattrPlace, stat: FileStat, entry: EntryReader, xattrs: readonly Xattr[] | undefined): boolean {
    const { uid, gid } = this.#ownerOf(entry);
    return (
      stat.uid === uid &&
      stat.gid === gid &&
      stat.mode === this.#modeOf(entry) &&
      stat.mtimeSeconds === entry.mtimeSeconds &&
      stat.mtimeNanoseconds === entry.mtimeNanoseconds &&
      (xattrs === undefined || sameXattrs(file, xattrs, this.#isWanted))
    );
  }

  /**
   * Whether nobody can have opened the file for writing who may not write to it when it has the entry's metadata: who has it open keeps
   * that right whatever its metadata become.
   */
  isTrusted(stat: FileStat, entry: EntryReader): boolean {
    const { privileged } = this.#rules;
    const { uid, gid } = this.#ownerOf(entry);
    if (stat.uid !== (privileged ? uid : this.#uid)) return false;
    if (privileged && stat.gid !== gid && (stat.mode & WRITABLE_BY_GROUP) !== 0) return false;
    return (stat.mode & ~entry.mode & WRITABLE_BY_OTHERS) === 0;
  }

  /** @returns whether the owner is now the entry's */
  #setOwner(place: XattrPlace, entry: EntryReader, warn: Warn): boolean {
    const wanted = this.#ownerOf(entry);
    if (this.#rules.privileged) return attempt(warn, 'owner', () => chown(place, wanted));
    const { uid, gid } = statOf(place);
    let grouped = gid === wanted.gid;
    if (!grouped) {
      try {
        chown(place, { uid: KEEP, gid: wanted.gid });
        grouped = true;
      } catch (cause) {
        if (isFault(cause)) {
          warn('metadata', `cannot set its group: ${systemReason(cause)}`);
          return false;
        }
      }
    }
    if (uid === wanted.uid && grouped) return true;
    const got = `${uid}:${grouped ? wanted.gid : gid}`;
    warn('owner', `its owner is ${got} and not ${wanted.uid}:${wanted.gid}: only root can set owners`);
    return false;
  }

  /** @returns the mode that is set; undefined when that failed */
  #setMode(place: XattrPlace, entry: EntryReader, owned: boolean, warn: Warn): number | undefined {
    const wanted = this.#modeOf(entry);
    const mode = owned ? wanted : wanted & ~SET_ID_BITS;
    if (mode !== wanted) warn('mode', 'its setuid and setgid bits are not set, as its owner could not be set');
    const set = attempt(warn, 'mode', () => {
      if (typeof place === 'number') fchmodSync(place, mode);
      else fchmodat(place.directory, place.name, mode);
    });
    return set ? mode : undefined;
  }

  #modeOf(entry: EntryReader): number {
    return this.#rules.special ? entry.mode : entry.mode & ~SET_ID_BITS;
  }

  /** By name where this machine knows the name, as the numbers may mean somebody else here. */
  #ownerOf(entry: EntryReader): Owner {
    if (this.#rules.numericOwner) return { uid: entry.uid, gid: entry.gid };
    return {
      uid: (entry.user !== '' ? this.#owners.uidOf(entry.user) : undefined) ?? entry.uid,
      gid: (entry.group !== '' ? this.#owners.gidOf(entry.group) : undefined) ?? entry.gid,
    };
  }
}

/** The snapshot's, and no others: what a directory's default ACL gave, or what an existing directory has, goes. What is not wanted stays as it is. */
function setXattrs(
  place: XattrPlace,
  all: readonly Xattr[],
  { bare, isWanted }: { bare: boolean; isWanted: (name: Buffer) => boolean },
  warn: Warn,
): void {
  const xattrs = all.filter(({ name }) => isWanted(name));
  for (const name of bare ? [] : namesOf(place, warn)) {
    if (isKernels(name) || !isWanted(name) || xattrs.some((each) => each.name.equals(name))) continue;
    attempt(warn, 'attribute', () => removeXattr(place, name), ` ${name}`);
  }
  // An ACL may take away the owner's right to set the others.
  for (const areAcls of [false, true])
    for (const each of xattrs)
      if (isSystems(each.name) === areAcls) attempt(warn, 'attribute', () => setXattr(place, each), ` ${each.name}`);
}

function namesOf(place: XattrPlace, warn: Warn): readonly Buffer[] {
  try {
    return listXattrs(place);
  } catch (cause) {
    warn(isFault(cause) ? 'metadata' : 'attribute', `its attributes cannot be listed: ${systemReason(cause)}`);
    return [];
  }
}

function sameXattrs(file: XattrPlace, all: readonly Xattr[], isWanted: (name: Buffer) => boolean): boolean {
  const wanted = all.filter(({ name }) => isWanted(name));
  try {
    const there = readXattrs(file).filter(
      ({ name }) => isWanted(name) && (!isKernels(name) || wanted.some((each) => each.name.equals(name))),
    );
    return (
      there.length === wanted.length &&
      there.every(
        ({ name, value }, at) => name.equals(wanted[at]?.name as Buffer) && value.equals(wanted[at]?.value as Buffer),
      )
    );
  } catch {
    return false;
  }
}

const isSystems = (name: Buffer): boolean => name.subarray(0, SYSTEM.length).equals(SYSTEM);

/** Labels of security modules are theirs to give. */
const isKernels = (name: Buffer): boolean =>
  name.subarray(0, SECURITY.length).equals(SECURITY) && !name.equals(CAPABILITY);

const statOf = (place: XattrPlace): FileStat =>
  typeof place === 'number' ? fstat(place) : lstat(place.name, place.directory);

const octal = (mode: number): string => mode.toString(8).padStart(3, '0');

const formatOff = (seconds: number): string =>
  seconds < 1 ? `${(seconds * 1000).toFixed(3)} ms` : `${seconds.toFixed(1)} s`;

function chown(place: XattrPlace, { uid, gid }: Owner): void {
  if (typeof place === 'number') fchownSync(place, uid >>> 0, gid >>> 0);
  else fchownat(place.directory, place.name, uid, gid);
}

function setTimes(place: XattrPlace, entry: EntryReader): void {
  if (typeof place === 'number') futimens(place, accessTime(entry), modificationTime(entry));
  else utimensat(place.directory, place.name, accessTime(entry), modificationTime(entry));
}

function attempt(warn: Warn, kind: MetadataKind, set: () => void, which = ''): boolean {
  try {
    set();
    return true;
  } catch (cause) {
    warn(isFault(cause) ? 'metadata' : kind, `cannot set its ${kind}${which}: ${systemReason(cause)}`);
    return false;
  }
}

const modificationTime = (entry: EntryReader): Timestamp => ({
  seconds: entry.mtimeSeconds,
  nanoseconds: entry.mtimeNanoseconds,
});

const accessTime = (entry: EntryReader): Timestamp =>
  entry.atime === undefined ? modificationTime(entry) : { seconds: entry.atime[0], nanoseconds: entry.atime[1] };
