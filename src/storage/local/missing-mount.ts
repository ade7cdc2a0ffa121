/** Finds out whether a path belongs on a disk that is not mounted. */

import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { resolvedPath } from './resolved-path.js';

/** The files that list planned and current mounts. */
export interface MountTables {
  readonly fstab: string;
  /** Directories with systemd's `.mount` units. */
  readonly units: readonly string[];
  /** Directories where desktops mount removable disks, each at this depth below. */
  readonly removable: readonly { readonly directory: string; readonly depth: number }[];
  readonly mounts: string;
}

const SYSTEM: MountTables = {
  fstab: '/etc/fstab',
  units: ['/etc/systemd/system', '/run/systemd/system', '/usr/local/lib/systemd/system', '/usr/lib/systemd/system'],
  removable: [
    { directory: '/media', depth: 1 },
    { directory: '/run/media', depth: 2 },
  ],
  mounts: '/proc/self/mounts',
};

export interface MissingMount {
  /** The directory on which nothing is mounted. */
  readonly directory: string;
  /** The reason why something should be mounted there. */
  readonly reason: string;
}

/** @returns undefined for a path that is not on such a disk, or when the tables cannot be read */
export function missingMount(path: string, tables: MountTables = SYSTEM): MissingMount | undefined {
  const resolved = tryToResolve(path);
  const mounts = secondFields(tables.mounts);
  if (resolved === undefined || mounts === undefined) return undefined;
  const mounted = new Set(mounts);
  const isMissing = (directory: string): boolean => isWithin(resolved, directory) && !mounted.has(directory);
  const inFstab = secondFields(tables.fstab)?.find(isMissing);
  if (inFstab !== undefined) return { directory: inFstab, reason: `${tables.fstab} mounts a disk on` };
  for (const { unit, directory } of units(tables.units))
    if (isMissing(directory)) return { directory, reason: `systemd (${unit}) mounts a disk on` };
  return removableDisk(resolved, mounted, tables);
}

/** The disk is missing when no directory from the path up to the desktop's directory is a mount. */
function removableDisk(path: string, mounted: ReadonlySet<string>, tables: MountTables): MissingMount | undefined {
  const found = tables.removable.find(({ directory }) => path !== directory && isWithin(path, directory));
  if (found === undefined) return undefined;
  const { directory, depth } = found;
  for (const each of mounted)
    if (each !== directory && isWithin(each, directory) && isWithin(path, each)) return undefined;
  const names = path.slice(directory.length + 1).split('/');
  return { directory: join(directory, ...names.slice(0, depth)), reason: 'removable disks are mounted on' };
}

function tryToResolve(path: string): string | undefined {
  try {
    return resolvedPath(resolve(path));
  } catch {
    return undefined;
  }
}

const isWithin = (path: string, directory: string): boolean =>
  directory !== '/' && (path === directory || path.startsWith(`${directory}/`));

/** Directories of a table such as /etc/fstab; undefined when it cannot be read. */
function secondFields(file: string): string[] | undefined {
  const text = read(file);
  return text?.split('\n').flatMap((line) => {
    if (line.trimStart().startsWith('#')) return [];
    const field = line.trim().split(/[ \t]+/)[1];
    return field?.startsWith('/') === true ? [withoutSlash(unescaped(field))] : [];
  });
}

/** `\040` is a space, in octal. */
function unescaped(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
}

const withoutSlash = (path: string): string => path.replace(/(?<=.)\/+$/, '');

function* units(directories: readonly string[]): Iterable<{ unit: string; directory: string }> {
  for (const each of directories) {
    for (const unit of names(each).filter((name) => name.endsWith('.mount'))) {
      const where = /^\s*Where\s*=\s*"?(\/[^"\n]*?)"?\s*$/m.exec(read(join(each, unit)) ?? '')?.[1];
      if (where !== undefined) yield { unit, directory: withoutSlash(where) };
    }
  }
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
