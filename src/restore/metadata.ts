// Sets owners, modes, times and attributes, and notes what the target does not keep.
// finisher.ts decides when.
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
import type { MetadataKind, MetadataRules, ProblemKind } from './messages.js';
import { xattrFilter } from './xattr-filter.js';

// Sets and compares owners, attributes, modes and times.
// Which failures are errors and which only warnings is decided in faults.ts.

/** Receives what was not set: a warning of its kind, or `metadata` for an error. */
export type Warn = (kind: Exclude<ProblemKind, 'content'>, message: string) => void;

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const SET_ID_BITS = 0o6000;
const WRITABLE_BY_GROUP = 0o020;
const WRITABLE_BY_OTHERS = 0o022;
const WRITABLE_BY_OWNER = 0o200;
const KEEP = -1;
/** Seconds: a smaller difference between times gets no warning, because file systems with steps of 100 ns nearly always have one. */
const TIME_GRAIN = 1e-6;
const SYSTEM = Buffer.from('system.');
const SECURITY = Buffer.from('security.');
const CAPABILITY = Buffer.from('security.capability');

/** Sets owner, attributes, mode and times, and reports what cannot be set. */
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
   * Sets the entry's metadata. The owner comes first, because changing it clears setuid bits and capabilities. The mode comes after the
   * attributes, because an ACL changes it, and because only root can set attributes of a read-only file.
   *
   * @param place an open file or directory, or a name in an open directory; links are not followed
   * @param xattrs undefined when they could not be read: then existing ones stay
   * @param bare whether it is known to have no attributes yet
   */
  set(place: XattrPlace, entry: EntryReader, xattrs: readonly Xattr[] | undefined, bare: boolean, warn: Warn): void {
    const owned = this.#setOwner(place, entry, warn);
    if (xattrs !== undefined) setXattrs(place, xattrs, { bare, isWanted: this.#isWanted }, warn);
    const mode = entry.type === 'symlink' ? undefined : this.#setMode(place, entry, owned, warn);
    const timed = attempt(warn, 'times', () => setTimes(place, entry));
    this.#warnOfDifferences(place, entry, { owned, mode, timed }, warn);
  }

  /** Warns of what was set without an error but did not take effect: some file systems keep no owners, modes or exact times. */
  #warnOfDifferences(
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
      warn(
        'times',
        `its modification time is off by ${formatDifference(off)}: the file system did not keep it exactly`,
      );
  }

  /** The same for an open file that existed before. */
  repair(file: number, stat: FileStat, entry: EntryReader, xattrs: readonly Xattr[] | undefined, warn: Warn): void {
    if ((stat.mode & WRITABLE_BY_OWNER) === 0 && xattrs !== undefined && !sameXattrs(file, xattrs, this.#isWanted))
      attempt(warn, 'mode', () => fchmodSync(file, stat.mode | WRITABLE_BY_OWNER));
    this.set(file, entry, xattrs, false, warn);
  }

  /** Whether a file has the entry's metadata. The access time does not count. */
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
   * Whether every user who could open the file for writing until now may also write to it with the entry's metadata.
   * Otherwise such a user may have it open, and could still write to it after its metadata are set.
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

  /** @returns the mode; undefined when setting it failed */
  #setMode(place: XattrPlace, entry: EntryReader, owned: boolean, warn: Warn): number | undefined {
    const wanted = this.#modeOf(entry);
    const mode = owned ? wanted : wanted & ~SET_ID_BITS;
    if (mode !== wanted) warn('mode', 'its setuid and setgid bits are not set, because its owner could not be set');
    const set = attempt(warn, 'mode', () => {
      if (typeof place === 'number') fchmodSync(place, mode);
      else fchmodat(place.directory, place.name, mode);
    });
    return set ? mode : undefined;
  }

  #modeOf(entry: EntryReader): number {
    return this.#rules.special ? entry.mode : entry.mode & ~SET_ID_BITS;
  }

  /** By name where this machine knows the name, because a number may belong to another user here. */
  #ownerOf(entry: EntryReader): Owner {
    if (this.#rules.numericOwner) return { uid: entry.uid, gid: entry.gid };
    return {
      uid: (entry.user !== '' ? this.#owners.uidOf(entry.user) : undefined) ?? entry.uid,
      gid: (entry.group !== '' ? this.#owners.gidOf(entry.group) : undefined) ?? entry.gid,
    };
  }
}

/** Sets the snapshot's attributes and removes all others, such as those inherited from a default ACL. Attributes that the user excluded stay. */
function setXattrs(
  place: XattrPlace,
  all: readonly Xattr[],
  { bare, isWanted }: { bare: boolean; isWanted: (name: Buffer) => boolean },
  warn: Warn,
): void {
  const xattrs = all.filter(({ name }) => isWanted(name));
  for (const name of bare ? [] : namesOf(place, warn)) {
    if (belongsToKernel(name) || !isWanted(name) || xattrs.some((each) => each.name.equals(name))) continue;
    attempt(warn, 'attribute', () => removeXattr(place, name), ` ${name}`);
  }
  // ACLs last: they may take away the owner's permission to set the others.
  for (const areAcls of [false, true])
    for (const each of xattrs)
      if (isAcl(each.name) === areAcls) attempt(warn, 'attribute', () => setXattr(place, each), ` ${each.name}`);
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
    const existing = readXattrs(file).filter(
      ({ name }) => isWanted(name) && (!belongsToKernel(name) || wanted.some((each) => each.name.equals(name))),
    );
    return (
      existing.length === wanted.length &&
      existing.every(
        ({ name, value }, at) => name.equals(wanted[at]?.name as Buffer) && value.equals(wanted[at]?.value as Buffer),
      )
    );
  } catch {
    return false;
  }
}

const isAcl = (name: Buffer): boolean => name.subarray(0, SYSTEM.length).equals(SYSTEM);

/** Labels of security modules (such as SELinux), which the kernel sets. */
const belongsToKernel = (name: Buffer): boolean =>
  name.subarray(0, SECURITY.length).equals(SECURITY) && !name.equals(CAPABILITY);

const statOf = (place: XattrPlace): FileStat =>
  typeof place === 'number' ? fstat(place) : lstat(place.name, place.directory);

const octal = (mode: number): string => mode.toString(8).padStart(3, '0');

const formatDifference = (seconds: number): string =>
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
