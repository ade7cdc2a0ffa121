/**
 * Finds what the paths given to a backup name, and where each of them is in the snapshot's tree. As in restic, an absolute path keeps all
 * of its names there, a relative one only those that it is given with: `Documents` in `/home/anna` is `/Documents`.
 */
import { Buffer } from 'node:buffer';
import { readdirSync, realpathSync } from 'node:fs';
import { systemReason } from '../errors/errors.js';
import { type FileStat, lstat } from '../filesystem/stat.js';
import { joinPath } from '../format/path.js';
import type { OnlyNames, SourceKind } from './messages.js';

interface MutableNames {
  [name: string]: MutableNames | SourceKind;
}

/** What the snapshot's root directory is made of. */
export interface SourceRoot {
  /** The directory that it stands for; `/` where its names are from several directories. */
  readonly path: Buffer;
  /** Undefined when the whole directory is a source. */
  readonly only: OnlyNames | undefined;
  /** Where its names are (all as latin1), when they are from several directories. */
  readonly gathered: ReadonlyMap<string, string> | undefined;
}

export interface Sources {
  readonly root: SourceRoot;
  /** Absolute paths of those that are there, in the order given, each once. */
  readonly paths: readonly Buffer[];
  readonly missing: readonly Missing[];
  /** Absolute paths, as latin1, of those that are below another: no rule that leaves out a directory there leaves out them. */
  readonly nested: readonly string[];
}

interface Missing {
  readonly path: Buffer;
  readonly reason: string;
}

/** A path as given, without `.`, double slashes, and `..` where it can be resolved; links are not. */
interface Target {
  readonly given: Buffer;
  /** What the names start from: `/`, `.`, `..`, `../..` and so on. */
  readonly start: string;
  /** The directory that this is, absolute. */
  readonly base: Buffer;
  /** As latin1. None for the directory itself. */
  readonly names: readonly string[];
  readonly kind: SourceKind;
}

/**
 * Looks at the sources.
 *
 * @param paths as given; relative ones are below `directory`
 * @param directory absolute
 */
export function findSources(paths: readonly Buffer[], directory: Buffer): Sources {
  const missing: Missing[] = [];
  const found = new Map<string, Target>();
  for (const given of paths) {
    const target = parseTarget(given, directory);
    const reason = given.length === 0 ? 'an empty path: a variable that is not set?' : reasonOfAbsence(target);
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

/** What of `nested` lies below a directory, as names from there on; undefined when nothing does. */
export function sourcesBelow(directory: Buffer, nested: readonly string[]): OnlyNames | undefined {
  const above = directory.length === 1 ? '/' : `${latin1(directory)}/`;
  const below = nested.filter((path) => path.startsWith(above));
  if (below.length === 0) return undefined;
  const only = newNames();
  for (const path of below) addSource(only, path.slice(above.length).split('/'), 'named');
  return only;
}

/** Where a path of this machine is in the snapshot's tree. */
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

/** The working directory may be given as a link: $PWD says how the user came to it. */
export function statRoot(path: Buffer): FileStat {
  const stat = lstat(path);
  return stat.type === 'symlink' ? lstat(joinPath(path, Buffer.from('.'))) : stat;
}

/** Absolute, without `.`, `..`, double or trailing slashes; links are not resolved. */
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
  const above = namesIn(up === 0 ? directory : physical(directory));
  const base = Buffer.from(`/${above.slice(0, Math.max(0, above.length - up)).join('/')}`, 'latin1');
  return { given, start: up === 0 ? '.' : Array(up).fill('..').join('/'), base, names, kind: 'named' };
}

/** `..` of a directory that a link leads to is where that directory is, and not where the link is. */
function physical(directory: Buffer): Buffer {
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

/** The outermost of the sources that a source is below of. */
function outerSource({ start, names }: Target, found: ReadonlyMap<string, Target>): Target | undefined {
  for (const depth of names.keys()) {
    const outer = found.get([start, ...names.slice(0, depth)].join('\0'));
    if (outer !== undefined) return outer;
  }
  return undefined;
}

/** The first link on the way from a source to one below it. */
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
    // It has just gone; the walk will tell.
    return false;
  }
}

function lostBehind(link: string, outer: string): string {
  const [by, from] = [link, outer].map((path) => Buffer.from(path, 'latin1').toString());
  return `leads through ${by}, a link, and as such that is stored with ${from}: give the path to which it leads`;
}

function rootOf(targets: readonly Target[], missing: Missing[]): SourceRoot {
  const [first] = targets;
  if (first === undefined || targets.some(({ start }) => start !== first.start)) return gather(targets, missing);
  const only = newNames();
  for (const { names, kind } of targets) if (names.length > 0) addSource(only, names, kind);
  const isWhole = targets.some(({ names }) => names.length === 0);
  return { path: first.base, only: isWhole ? undefined : only, gathered: undefined };
}

/** Names from several directories become one: of those that are the same, restic calls the second `NAME-1`. */
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

/** A directory that has no name of its own stands for what is in it. */
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

/** A source below another source adds nothing. */
function addSource(only: MutableNames, names: readonly string[], kind: SourceKind): void {
  let at = only;
  for (const [depth, name] of names.entries()) {
    const there = at[name];
    if (depth === names.length - 1) at[name] = there === 'named' ? there : kind;
    else if (typeof there === 'string') return;
    else {
      const next = there ?? newNames();
      at[name] = next;
      at = next;
    }
  }
}

/** What follows a directory's path in the path of what is in it, as a path from `/`; undefined for a path elsewhere. */
function below(path: Buffer, directory: Buffer): Buffer | undefined {
  if (directory.length === 1) return path;
  if (path.equals(directory)) return SLASH;
  const isIn = path[directory.length] === SLASH[0] && path.subarray(0, directory.length).equals(directory);
  return isIn ? path.subarray(directory.length) : undefined;
}
