import { Buffer } from 'node:buffer';
import { closeSync, constants, openSync } from 'node:fs';
import { errnoCode, VarveError } from '../errors/errors.js';
import { Directory, type FolderPlace } from '../filesystem/directory.js';
import type { BackupFilter, ContentsRule } from '../filesystem/filter.js';
import { NameList } from '../filesystem/name-list.js';
import { pseudoFileSystem } from '../filesystem/pseudo.js';
import { type FileStat, fstat } from '../filesystem/stat.js';
import { MAX_DEPTH } from '../format/limits.js';
import { joinPath } from '../format/path.js';
import type { EntryStorer } from './entry-storer.js';
import type { OnlyNames, PendingDirectory } from './messages.js';
import { sourcesBelow } from './sources.js';

/** An open directory with the names in it that may belong to the backup. */
export interface Listed {
  readonly folder: Directory;
  readonly names: NameList;
  /** Set when all of it is left out, but for sources below: what matters on the way to them. */
  readonly only?: OnlyNames;
}

const ALL_IN_IT = Buffer.from('*');
/** In one another below the root, which counts too. */
const MAX_FOLDERS = MAX_DEPTH - 1;

/** Opens the folders of a walk, and decides which of the names in them belong to the backup. */
export class Lister {
  readonly #filter: BackupFilter;
  readonly #entries: EntryStorer;
  readonly #nested: readonly string[];
  readonly #isNested: ReadonlySet<string>;

  /**
   * @param entries is told what is left out, and what cannot be looked at
   * @param nested sources below other sources: bytes of their paths as latin1
   */
  constructor(filter: BackupFilter, entries: EntryStorer, nested: readonly string[]) {
    this.#filter = filter;
    this.#entries = entries;
    this.#nested = nested;
    this.#isNested = new Set(nested);
  }

  /** Whether a path that lies below a source is one itself. */
  isSource(path: Buffer): boolean {
    return this.#isNested.size > 0 && this.#isNested.has(path.toString('latin1'));
  }

  /** A directory that cannot be listed is told, and has no names. */
  open(directory: PendingDirectory & { path: Buffer }): Listed {
    const { path, only, stat, rootDevice } = directory;
    if (only !== undefined) return { folder: Directory.openAbove(path), names: namesOf(only) };
    const mount = this.#filter.rejectMount(stat.device, rootDevice);
    if (mount !== undefined) return this.#leftOut(Directory.unopened(path), mount.rule);
    try {
      return this.#list(directory);
    } catch (cause) {
      this.#entries.reportError(path, cause, 'scan');
      return { folder: Directory.unopened(path), names: NameList.of([]) };
    }
  }

  /** What a name stands for, unless it is left out or cannot be looked at. */
  stat(folder: Directory, name: Buffer, { only, rootDevice }: PendingDirectory): FileStat | undefined {
    if (typeof nameIn(only, name) === 'object') return this.#statAbove(joinPath(folder.path, name));
    if (this.#filter.filtersPaths) {
      const path = joinPath(folder.path, name);
      if (this.#isExcluded(path, this.#filter.rejectPath(path))) return undefined;
    }
    const stat = this.#lstat(folder, name);
    if (stat === undefined || (stat.type === 'directory' && this.#isTooDeep(folder, name))) return undefined;
    const device = only === undefined ? rootDevice : stat.device;
    const rule = this.#filter.rejectNode(stat.type, stat.size, stat.device, device);
    return rule !== undefined && this.#isExcluded(joinPath(folder.path, name), rule) ? undefined : stat;
  }

  #list(directory: PendingDirectory & { path: Buffer }): Listed {
    const folder = Directory.openPlace(placeOf(directory));
    try {
      const mount = this.#rejectedMount(directory, folder);
      if (mount !== undefined) return this.#leftOut(folder, mount);
      const rule = this.#filter.rejectTagged(folder);
      return { folder, names: rule === undefined ? folder.names() : NameList.of(this.#kept(directory.path, rule)) };
    } catch (cause) {
      folder.close();
      throw cause;
    }
  }

  /** Why what is mounted at an open directory is left out. */
  #rejectedMount(directory: PendingDirectory & { path: Buffer }, folder: Directory): string | undefined {
    const { path, mounted, above, rootDevice } = directory;
    if (!mounted && folder.mounted === undefined) return undefined;
    const other = folder.mounted === undefined ? undefined : this.#filter.rejectMount(folder.mounted, rootDevice);
    return other?.rule ?? pseudoFileSystem(path, folder.shortPath, above === 1);
  }

  /** A directory on another file system: of what is in it only sources matter. */
  #leftOut(folder: Directory, rule: string): Listed {
    this.#kept(folder.path, { rule });
    const only = sourcesBelow(folder.path, this.#nested);
    return only === undefined ? { folder, names: NameList.of([]) } : { folder, names: namesOf(only), only };
  }

  /** What stays of a directory whose contents are left out. */
  #kept(path: Buffer, { rule, kept }: ContentsRule): Buffer[] {
    this.#isExcluded(joinPath(path, ALL_IN_IT), rule);
    return kept === undefined ? [] : [kept];
  }

  /** A directory on the way to a source: a link there is followed, as the path to the source does. */
  #statAbove(path: Buffer): FileStat | undefined {
    try {
      const directory = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
      try {
        return fstat(directory);
      } finally {
        closeSync(directory);
      }
    } catch (cause) {
      this.#entries.reportError(path, cause, 'scan');
      return undefined;
    }
  }

  #lstat(folder: Directory, name: Buffer): FileStat | undefined {
    try {
      return folder.lstat(name);
    } catch (cause) {
      const path = joinPath(folder.path, name);
      this.#entries.reportError(path, cause, errnoCode(cause) === 'ENOENT' ? 'archival' : 'scan');
      return undefined;
    }
  }

  /** A snapshot with such a folder could not be restored at all, since readers refuse it (SPEC.md section 1). */
  #isTooDeep({ path }: Directory, name: Buffer): boolean {
    if (path.length < 2 * MAX_FOLDERS || path.toString('latin1').split('/').length <= MAX_FOLDERS) return false;
    const cause = new VarveError(
      'source',
      `left out with all in it: no more than ${MAX_FOLDERS} folders can be in one another`,
    );
    this.#entries.reportError(joinPath(path, name), cause, 'scan');
    return true;
  }

  #isExcluded(path: Buffer, rule: string | undefined): boolean {
    if (rule !== undefined) this.#entries.tellExcluded(path, rule);
    return rule !== undefined;
  }
}

function namesOf(only: OnlyNames): NameList {
  return NameList.of(Object.keys(only).map((name) => Buffer.from(name, 'latin1')));
}

/** What matters of a name in a directory above the sources; undefined elsewhere. */
export function nameIn(only: OnlyNames | undefined, name: Buffer): OnlyNames | true | undefined {
  return only?.[name.toString('latin1')];
}

export function placeOf({ path, above, stat }: PendingDirectory): FolderPlace {
  return { path: new Uint8Array(path), above, device: stat.device, inode: stat.inode };
}
