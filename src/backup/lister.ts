import { Buffer } from 'node:buffer';
import { closeSync, constants, openSync } from 'node:fs';
import { errnoCode, VarveError } from '../errors/errors.js';
import { Directory, type DirectoryPlace } from '../filesystem/directory.js';
import type { BackupFilter, ContentsRule } from '../filesystem/filter.js';
import { NameList } from '../filesystem/name-list.js';
import { pseudoFileSystem } from '../filesystem/pseudo.js';
import { type FileStat, fstat } from '../filesystem/stat.js';
import { MAX_DEPTH } from '../format/limits.js';
import { joinPath } from '../format/path.js';
import type { EntryStorer } from './entry-storer.js';
import type { OnlyNames, PendingDirectory, SourceKind } from './messages.js';
import { sourcesBelow } from './sources.js';
import { isTooLarge, storableSize, TOO_LARGE } from './storable-size.js';

/** An open directory with the names in it that may belong to the backup. */
export interface Listed {
  readonly opened: Directory;
  readonly names: NameList;
  /** Set when all of it is left out, but for sources below: what matters on the way to them. */
  readonly only?: OnlyNames;
}

/** A directory to be walked, with its path as a buffer. */
export type FoundDirectory = PendingDirectory & { readonly path: Buffer };

const ALL_IN_IT = Buffer.from('*');
/** In one another below the root, which counts too. */
const MAX_DIRECTORIES = MAX_DEPTH - 1;

/** Hears of what is left out, and of what cannot be looked at. */
export type ListerReport = Pick<EntryStorer, 'reportError' | 'tellExcluded'>;

/** Opens the directories of a walk, and decides which of the names in them belong to the backup. */
export class Lister {
  readonly #filter: BackupFilter;
  readonly #report: ListerReport;
  readonly #nested: readonly string[];
  readonly #isNested: ReadonlySet<string>;
  /** Directories on the way to those. */
  readonly #leads = new Set<string>();

  /**
   * @param nested sources below other sources: bytes of their paths as latin1
   */
  constructor(filter: BackupFilter, report: ListerReport, nested: readonly string[]) {
    this.#filter = filter;
    this.#report = report;
    this.#nested = nested;
    this.#isNested = new Set(nested);
    for (const path of nested)
      for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
        this.#leads.add(path.slice(0, end));
  }

  /** Whether a path that lies below a source is one itself. */
  isSource(path: Buffer): boolean {
    return this.#isNested.size > 0 && this.#isNested.has(path.toString('latin1'));
  }

  /** A directory found in another one, to be walked. */
  subdirectory(directory: PendingDirectory, path: Buffer, name: Buffer, stat: FileStat): FoundDirectory {
    const only = nameIn(directory.only, name);
    const isAbove = directory.only !== undefined;
    // A source, or what leads to one, is on the right file system, whichever that is.
    const isRight = isAbove || this.isSource(path);
    return {
      path,
      name,
      stat,
      previous: undefined,
      rootDevice: isRight ? stat.device : directory.rootDevice,
      above: isAbove ? lengthAbove(path) : directory.above,
      mounted: !isRight && stat.device !== directory.stat.device,
      only: typeof only === 'object' ? only : undefined,
    };
  }

  /** A directory that cannot be listed is told, and has no names. */
  open(directory: FoundDirectory): Listed {
    const { path, only, stat, rootDevice, root } = directory;
    if (root?.gathered !== undefined && only !== undefined)
      return { opened: Directory.gathered(path, root.gathered), names: namesOf(only) };
    if (only !== undefined) return { opened: Directory.openAbove(path), names: namesOf(only) };
    const rule = this.#filter.rejectMount(stat.device, rootDevice)?.rule ?? this.#excludedOnTheWay(path);
    if (rule !== undefined) return this.#leftOut(Directory.unopened(path), { rule });
    try {
      return this.#list(directory);
    } catch (cause) {
      this.#report.reportError(path, cause, 'scan');
      return { opened: Directory.unopened(path), names: NameList.of([]) };
    }
  }

  /** What a name stands for, unless it is left out or cannot be looked at. */
  stat(opened: Directory, name: Buffer, { only, rootDevice }: PendingDirectory): FileStat | undefined {
    const source = nameIn(only, name);
    if (typeof source === 'object') return this.#statAbove(opened.pathOf(name));
    const isNamed = source === 'named' || (this.#nested.length > 0 && this.isSource(opened.pathOf(name)));
    if (!isNamed && this.#filter.filtersPaths) {
      const path = opened.pathOf(name);
      if (this.#isExcluded(path, this.#filter.rejectPath(path)) && !this.#leadsToSource(path)) return undefined;
    }
    const stat = this.#lstat(opened, name);
    if (stat === undefined || (stat.type === 'directory' && this.#isTooDeep(opened, name))) return undefined;
    if (isNamed) return this.#storable(opened, name, stat);
    const device = only === undefined ? rootDevice : stat.device;
    const rule = this.#filter.rejectNode(stat.type, stat.size, stat.device, device);
    return rule !== undefined && this.#isExcluded(opened.pathOf(name), rule)
      ? undefined
      : this.#storable(opened, name, stat);
  }

  #storable(opened: Directory, name: Buffer, stat: FileStat): FileStat {
    if (isTooLarge(stat))
      this.#report.reportError(opened.pathOf(name), new VarveError('source', TOO_LARGE), 'archival');
    return storableSize(stat);
  }

  #leadsToSource(path: Buffer): boolean {
    return this.#leads.size > 0 && this.#leads.has(path.toString('latin1'));
  }

  /** The rule that leaves out a directory in which a source is. */
  #excludedOnTheWay(path: Buffer): string | undefined {
    return this.#leadsToSource(path) && !this.isSource(path) ? this.#filter.rejectPath(path) : undefined;
  }

  #list(directory: FoundDirectory): Listed {
    const opened = Directory.openPlace(placeOf(directory));
    try {
      const mount = this.#rejectedMount(directory, opened);
      if (mount !== undefined) return this.#leftOut(opened, { rule: mount });
      const rule = this.#filter.rejectTagged(opened);
      return rule === undefined ? { opened, names: opened.names() } : this.#leftOut(opened, rule);
    } catch (cause) {
      opened.close();
      throw cause;
    }
  }

  /** Why what is mounted at an open directory is left out. */
  #rejectedMount(directory: FoundDirectory, opened: Directory): string | undefined {
    const { path, mounted, above, rootDevice } = directory;
    if (!mounted && opened.mounted === undefined) return undefined;
    const other = opened.mounted === undefined ? undefined : this.#filter.rejectMount(opened.mounted, rootDevice);
    return other?.rule ?? pseudoFileSystem(path, opened.shortPath, above === 1);
  }

  /** A directory whose contents are left out: of them only sources matter, and the name that the rule keeps. */
  #leftOut(opened: Directory, { rule, kept }: ContentsRule): Listed {
    this.#isExcluded(joinPath(opened.path, ALL_IN_IT), rule);
    const below = sourcesBelow(opened.path, this.#nested);
    if (below === undefined) return { opened, names: NameList.of(kept === undefined ? [] : [kept]) };
    const only = kept === undefined ? below : { [kept.toString('latin1')]: 'listed' as const, ...below };
    return { opened, names: namesOf(only), only };
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
      this.#report.reportError(path, cause, 'scan');
      return undefined;
    }
  }

  #lstat(opened: Directory, name: Buffer): FileStat | undefined {
    try {
      return opened.lstat(name);
    } catch (cause) {
      this.#report.reportError(opened.pathOf(name), cause, errnoCode(cause) === 'ENOENT' ? 'archival' : 'scan');
      return undefined;
    }
  }

  /** A snapshot with such a directory could not be restored at all, since readers refuse it (SPEC.md section 1). */
  #isTooDeep(opened: Directory, name: Buffer): boolean {
    const { path } = opened;
    if (path.length < 2 * MAX_DIRECTORIES || path.toString('latin1').split('/').length <= MAX_DIRECTORIES) return false;
    const cause = new VarveError(
      'source',
      `left out with all in it: no more than ${MAX_DIRECTORIES} directories can be in one another`,
    );
    this.#report.reportError(opened.pathOf(name), cause, 'scan');
    return true;
  }

  #isExcluded(path: Buffer, rule: string | undefined): boolean {
    if (rule !== undefined) this.#report.tellExcluded(path, rule);
    return rule !== undefined;
  }
}

function namesOf(only: OnlyNames): NameList {
  return NameList.of(Object.keys(only).map((name) => Buffer.from(name, 'latin1')));
}

/** What matters of a name in a directory above the sources; undefined elsewhere. */
export function nameIn(only: OnlyNames | undefined, name: Buffer): OnlyNames | SourceKind | undefined {
  return only?.[name.toString('latin1')];
}

export function placeOf({ path, above, stat }: PendingDirectory): DirectoryPlace {
  return { path: new Uint8Array(path), above, device: stat.device, inode: stat.inode };
}

/** Bytes of a directory's path down to the one above it. */
const lengthAbove = (path: Buffer): number => path.lastIndexOf('/') || 1;
