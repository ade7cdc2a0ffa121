// Opens directories and decides which of their names belong to the backup.
// The Walker and the scan read what it finds.
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
import type { OnlyNames, PendingDirectory, SourceKind } from './messages.js';
import type { BackupReporter } from './reporter.js';
import { sourcesBelow } from './sources.js';
import { isTooLarge, storableSize, TOO_LARGE } from './storable-size.js';

/** An open directory and the names in it that may belong to the backup. */
export interface Listed {
  readonly opened: Directory;
  readonly names: NameList;
  /** Set when the directory is excluded except for sources below it: the names to visit. */
  readonly only?: OnlyNames;
}

/** A directory to walk, with its path as a Buffer. */
export type FoundDirectory = PendingDirectory & { readonly path: Buffer };

const ANY_NAME = Buffer.from('*');
/** Levels of directories below the root, which counts as one. */
const MAX_DIRECTORIES = MAX_DEPTH - 1;

/** Receives what is excluded and what cannot be read. */
export type ListerReport = Pick<BackupReporter, 'reportError' | 'reportExcluded'>;

/** Opens the directories of a walk, and decides which of their names belong to the backup. */
export class Lister {
  readonly #filter: BackupFilter;
  readonly #report: ListerReport;
  readonly #nested: readonly string[];
  readonly #isNested: ReadonlySet<string>;
  /** Directories above the nested sources. */
  readonly #leads = new Set<string>();

  /** @param nested paths (latin1) of sources below other sources */
  constructor(filter: BackupFilter, report: ListerReport, nested: readonly string[]) {
    this.#filter = filter;
    this.#report = report;
    this.#nested = nested;
    this.#isNested = new Set(nested);
    for (const path of nested)
      for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
        this.#leads.add(path.slice(0, end));
  }

  /** Whether a path below a source is itself a source. */
  isSource(path: Buffer): boolean {
    return this.#isNested.size > 0 && this.#isNested.has(path.toString('latin1'));
  }

  /** Describes a directory found in another, for the walk. */
  subdirectory(directory: PendingDirectory, path: Buffer, name: Buffer, stat: FileStat): FoundDirectory {
    const only = nameIn(directory.only, name);
    const isAbove = directory.only !== undefined;
    // A source, and every directory above one, is included whatever its file system.
    const isIncluded = isAbove || this.isSource(path);
    return {
      path,
      name,
      stat,
      previous: undefined,
      rootDevice: isIncluded ? stat.device : directory.rootDevice,
      above: isAbove ? lengthAbove(path) : directory.above,
      mounted: !isIncluded && stat.device !== directory.stat.device,
      only: typeof only === 'object' ? only : undefined,
    };
  }

  /** Opens and lists a directory. When that fails it is reported, and has no names. */
  open(directory: FoundDirectory): Listed {
    const { path, only, stat, rootDevice, root } = directory;
    if (root?.gathered !== undefined && only !== undefined)
      return { opened: Directory.gathered(path, root.gathered), names: namesOf(only) };
    if (only !== undefined) return { opened: Directory.openAbove(path), names: namesOf(only) };
    const rule = this.#filter.rejectMount(stat.device, rootDevice)?.rule ?? this.#ruleExcludingParentOfSource(path);
    if (rule !== undefined) return this.#excludeContents(Directory.unopened(path), { rule });
    try {
      return this.#list(directory);
    } catch (cause) {
      this.#report.reportError(path, cause, 'scan');
      return { opened: Directory.unopened(path), names: NameList.of([]) };
    }
  }

  /** @returns undefined when the name is excluded, or cannot be read */
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

  /** The rule that excludes a directory with a source in it. */
  #ruleExcludingParentOfSource(path: Buffer): string | undefined {
    return this.#leadsToSource(path) && !this.isSource(path) ? this.#filter.rejectPath(path) : undefined;
  }

  #list(directory: FoundDirectory): Listed {
    const opened = Directory.openPlace(locationOf(directory));
    try {
      const mount = this.#rejectedMount(directory, opened);
      if (mount !== undefined) return this.#excludeContents(opened, { rule: mount });
      const rule = this.#filter.rejectTagged(opened);
      return rule === undefined ? { opened, names: opened.names() } : this.#excludeContents(opened, rule);
    } catch (cause) {
      opened.close();
      throw cause;
    }
  }

  /** The rule that excludes the file system mounted at an open directory. */
  #rejectedMount(directory: FoundDirectory, opened: Directory): string | undefined {
    const { path, mounted, above, rootDevice } = directory;
    if (!mounted && opened.mounted === undefined) return undefined;
    const other = opened.mounted === undefined ? undefined : this.#filter.rejectMount(opened.mounted, rootDevice);
    return other?.rule ?? pseudoFileSystem(path, opened.shortPath, above === 1);
  }

  /** A directory whose contents are excluded, except for sources below it and the name that the rule keeps. */
  #excludeContents(opened: Directory, { rule, kept }: ContentsRule): Listed {
    this.#isExcluded(joinPath(opened.path, ANY_NAME), rule);
    const below = sourcesBelow(opened.path, this.#nested);
    if (below === undefined) return { opened, names: NameList.of(kept === undefined ? [] : [kept]) };
    const only = kept === undefined ? below : { [kept.toString('latin1')]: 'listed' as const, ...below };
    return { opened, names: namesOf(only), only };
  }

  /** The stat of a directory above a source. Links are followed, as in the source's path. */
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

  /** Readers refuse a snapshot with such a directory as a whole (SPEC.md section 1). */
  #isTooDeep(opened: Directory, name: Buffer): boolean {
    const { path } = opened;
    if (path.length < 2 * MAX_DIRECTORIES || path.toString('latin1').split('/').length <= MAX_DIRECTORIES) return false;
    const cause = new VarveError(
      'source',
      `not backed up, nor anything in it: a snapshot holds at most ${MAX_DIRECTORIES} levels of directories`,
    );
    this.#report.reportError(opened.pathOf(name), cause, 'scan');
    return true;
  }

  #isExcluded(path: Buffer, rule: string | undefined): boolean {
    if (rule !== undefined) this.#report.reportExcluded(path, rule);
    return rule !== undefined;
  }
}

function namesOf(only: OnlyNames): NameList {
  return NameList.of(Object.keys(only).map((name) => Buffer.from(name, 'latin1')));
}

/** What to visit at a name of a directory above the sources; undefined in other directories. */
export function nameIn(only: OnlyNames | undefined, name: Buffer): OnlyNames | SourceKind | undefined {
  return only?.[name.toString('latin1')];
}

export function locationOf({ path, above, stat }: PendingDirectory): DirectoryPlace {
  return { path: new Uint8Array(path), above, device: stat.device, inode: stat.inode };
}

/** Length in bytes of the path of the directory above. */
const lengthAbove = (path: Buffer): number => path.lastIndexOf('/') || 1;
