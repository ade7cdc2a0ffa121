// Finds the sources of a backup, and decides the path of each in the snapshot. The walk reads them.
// As in restic, an absolute path keeps all of its names, a relative one only those given: `Documents` in `/home/anna` becomes `/Documents`.
import { Buffer } from 'node:buffer';
import { readdirSync, realpathSync } from 'node:fs';
import { systemReason } from '../errors/errors.js';
import { type FileStat, lstat } from '../filesystem/stat.js';
import { joinPath } from '../format/path.js';
import type { OnlyNames, SourceKind } from './messages.js';

interface MutableNames {
  [name: string]: MutableNames | SourceKind;
}

/** What the snapshot's root directory is made from. */
export interface SourceRoot {
  /** The directory that becomes the root; `/` when names of several directories are gathered in it. */
  readonly path: Buffer;
  /** Undefined when the whole directory is a source. */
  readonly only: OnlyNames | undefined;
  /** The path of each name in it (both latin1), when names of several directories are gathered. */
  readonly gathered: ReadonlyMap<string, string> | undefined;
}

export interface Sources {
  readonly root: SourceRoot;
  /** Absolute paths of the sources that exist, in the order given, without duplicates. */
  readonly paths: readonly Buffer[];
  readonly missing: readonly Missing[];
  /** Absolute paths (latin1) of sources below other sources: a rule that excludes a directory above them does not exclude them. */
  readonly nested: readonly string[];
}

interface Missing {
  readonly path: Buffer;
  readonly reason: string;
}

/** A source's path, without `.`, double slashes, and `..` after a name. Links are not resolved. */
interface Target {
  readonly given: Buffer;
  /** What the names are relative to: `/`, `.`, `..`, `../..` and so on. */
  readonly start: string;
  /** The absolute path of `start`. */
  readonly base: Buffer;
  /** As latin1; empty for `start` itself. */
  readonly names: readonly string[];
  readonly kind: SourceKind;
}

/**
 * Resolves the sources and checks that they exist.
 *
 * @param paths as given; relative ones start from `directory`
 * @param directory absolute
 */
export function findSources(paths: readonly Buffer[], directory: Buffer): Sources {
  const missing: Missing[] = [];
  const found = new Map<string, Target>();
  for (const given of paths) {
    const target = parseTarget(given, directory);
    const reason = given.length === 0 ? 'the path is empty: is a variable not set?' : reasonOfAbsence(target);
    if (reason === undefined) found.set(keyOf(target), target);
    else missing.push({ path: given, reason });
  }
  const nested: string[] = [];
  for (const [key, target] of found) {
    const outer = outerSource(target, found);
    if (outer === undefined) continue;
    const link = linkBetween(target, outer);
    if (link === undefined) nested.push(latin1(pathOf(target)));
    else {
      missing.push({ path: target.given, reason: lostBehind(link, latin1(pathOf(outer))) });
      found.delete(key);
    }
  }
  const absolute = new Map([...found.values()].map((target) => [latin1(pathOf(target)), pathOf(target)]));
  return { root: rootOf([...found.values()], missing), paths: [...absolute.values()], missing, nested };
}

/** The paths of `nested` below a directory, as names relative to it; undefined when there are none. */
export function sourcesBelow(directory: Buffer, nested: readonly string[]): OnlyNames | undefined {
  const above = directory.length === 1 ? '/' : `${latin1(directory)}/`;
  const below = nested.filter((path) => path.startsWith(above));
  if (below.length === 0) return undefined;
  const only = newNames();
  for (const path of below) addSource(only, path.slice(above.length).split('/'), 'named');
  return only;
}

/** The path in the snapshot of a path on this machine. */
export function pathInSnapshot({ path: root, gathered }: SourceRoot, path: Buffer): Buffer {
  if (gathered === undefined) return below(path, root) ?? path;
  let best = { length: 0, path };
  for (const [name, from] of gathered) {
    const rest = from.length > best.length ? below(path, Buffer.from(from, 'latin1')) : undefined;
    if (rest === undefined) continue;
    const top = joinPath(SLASH, Buffer.from(name, 'latin1'));
    best = { length: from.length, path: rest.length === 1 ? top : Buffer.concat([top, rest]) };
  }
  return best.path;
}

/** Follows a link: the working directory, taken from $PWD, may be one. */
export function statRoot(path: Buffer): FileStat {
  const stat = lstat(path);
  return stat.type === 'symlink' ? lstat(joinPath(path, Buffer.from('.'))) : stat;
}

/** The absolute path, without `.`, `..`, double or trailing slashes. Links are not resolved. */
export function normalize(path: Buffer, directory: Buffer): Buffer {
  return pathOf(parseTarget(path, directory));
}

const SLASH = Buffer.from('/');
const latin1 = (path: Buffer): string => path.toString('latin1');
const newNames = (): MutableNames => Object.create(null) as MutableNames;
const keyOf = ({ start, names }: Target): string => [start, ...names].join('\0');

function pathOf({ base, names }: Target): Buffer {
  return names.length === 0 ? base : joinPath(base, Buffer.from(names.join('/'), 'latin1'));
}

function parseTarget(given: Buffer, directory: Buffer): Target {
  const isAbsolute = given[0] === SLASH[0];
  const names: string[] = [];
  let up = 0;
  for (const name of latin1(given).split('/')) {
    if (name === '' || name === '.') continue;
    if (name !== '..') names.push(name);
    else if (names.pop() === undefined && !isAbsolute) up++;
  }
  if (isAbsolute) return { given, start: '/', base: SLASH, names, kind: 'named' };
  const above = namesIn(up === 0 ? directory : resolveLinks(directory));
  const base = Buffer.from(`/${above.slice(0, Math.max(0, above.length - up)).join('/')}`, 'latin1');
  return { given, start: up === 0 ? '.' : Array(up).fill('..').join('/'), base, names, kind: 'named' };
}

/** Resolves links, because the kernel takes `..` of a link's target, not of the link. */
function resolveLinks(directory: Buffer): Buffer {
  try {
    return realpathSync(directory, { encoding: 'buffer' });
  } catch {
    return directory;
  }
}

const namesIn = (path: Buffer): string[] => latin1(path).split('/').filter(Boolean);

function reasonOfAbsence(target: Target): string | undefined {
  try {
    lstat(pathOf(target));
    return undefined;
  } catch (cause) {
    return systemReason(cause);
  }
}

/** The outermost source above a source. */
function outerSource({ start, names }: Target, found: ReadonlyMap<string, Target>): Target | undefined {
  for (const depth of names.keys()) {
    const outer = found.get([start, ...names.slice(0, depth)].join('\0'));
    if (outer !== undefined) return outer;
  }
  return undefined;
}

/** The first link between a source and a source below it. */
function linkBetween(inner: Target, outer: Target): string | undefined {
  for (let depth = outer.names.length; depth < inner.names.length; depth++) {
    const path = pathOf({ ...inner, names: inner.names.slice(0, depth) });
    if (isLink(path)) return latin1(path);
  }
  return undefined;
}

function isLink(path: Buffer): boolean {
  try {
    return lstat(path).type === 'symlink';
  } catch {
    // It has just been removed; the walk reports it.
    return false;
  }
}

function lostBehind(link: string, outer: string): string {
  const [by, from] = [link, outer].map((path) => Buffer.from(path, 'latin1').toString());
  return `leads through the symbolic link ${by}, which is stored as a link with ${from}: give the path that the link points to`;
}

function rootOf(targets: readonly Target[], missing: Missing[]): SourceRoot {
  const [first] = targets;
  if (first === undefined || targets.some(({ start }) => start !== first.start)) return gather(targets, missing);
  const only = newNames();
  for (const { names, kind } of targets) if (names.length > 0) addSource(only, names, kind);
  const isWhole = targets.some(({ names }) => names.length === 0);
  return { path: first.base, only: isWhole ? undefined : only, gathered: undefined };
}

/** Gathers names of several directories in one. As in restic, a second `NAME` becomes `NAME-1`. */
function gather(targets: readonly Target[], missing: Missing[]): SourceRoot {
  const only = newNames();
  const starts = new Map<string, string>();
  const gathered = new Map<string, string>();
  for (const { start, base, names, kind } of targets.flatMap((target) => expand(target, missing))) {
    const [first = '', ...rest] = names;
    let name = first;
    for (let number = 1; starts.has(name) && starts.get(name) !== start; number++) name = `${first}-${number}`;
    starts.set(name, start);
    gathered.set(name, latin1(joinPath(base, Buffer.from(first, 'latin1'))));
    addSource(only, [name, ...rest], kind);
  }
  return { path: SLASH, only, gathered };
}

/** Replaces a directory without a name (such as `..`) by what is in it. */
function expand(target: Target, missing: Missing[]): Target[] {
  if (target.names.length > 0) return [target];
  try {
    const names = readdirSync(target.base, { encoding: 'buffer' }).sort(Buffer.compare);
    return names.map((name) => ({ ...target, names: [latin1(name)], kind: 'listed' }));
  } catch (cause) {
    missing.push({ path: target.given, reason: systemReason(cause) });
    return [];
  }
}

/** A source below another source is already included: it adds nothing. */
function addSource(only: MutableNames, names: readonly string[], kind: SourceKind): void {
  let at = only;
  for (const [depth, name] of names.entries()) {
    const existing = at[name];
    if (depth === names.length - 1) at[name] = existing === 'named' ? existing : kind;
    else if (typeof existing === 'string') return;
    else {
      const next = existing ?? newNames();
      at[name] = next;
      at = next;
    }
  }
}

/** The part of a path below a directory, with a leading `/`; undefined when the path is not in it. */
function below(path: Buffer, directory: Buffer): Buffer | undefined {
  if (directory.length === 1) return path;
  if (path.equals(directory)) return SLASH;
  const isIn = path[directory.length] === SLASH[0] && path.subarray(0, directory.length).equals(directory);
  return isIn ? path.subarray(directory.length) : undefined;
}
