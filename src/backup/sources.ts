import { Buffer } from 'node:buffer';
import { systemReason } from '../errors/errors.js';
import { lstat } from '../filesystem/stat.js';
import type { OnlyNames } from './messages.js';

interface MutableNames {
  [name: string]: MutableNames | true;
}

/** What is to be backed up, as the names that matter from `/` down. */
export interface Sources {
  readonly only: OnlyNames;
  /** Those that are there, in the order given, each once. */
  readonly paths: readonly Buffer[];
  readonly missing: readonly Missing[];
  /** Those that lie below another (bytes as latin1): what leaves out other file systems there does not leave out them. */
  readonly nested: readonly string[];
}

interface Missing {
  readonly path: Buffer;
  readonly reason: string;
}

/**
 * Looks at the sources.
 *
 * @param paths as given; relative ones are below `folder`
 * @param folder absolute
 */
export function findSources(paths: readonly Buffer[], folder: Buffer): Sources {
  const only = Object.create(null) as MutableNames;
  const found = new Map<string, Buffer>();
  const missing: Missing[] = [];
  for (const path of paths) {
    if (path.length === 0) {
      missing.push({ path, reason: 'an empty path: a variable that is not set?' });
      continue;
    }
    const absolute = normalize(path, folder);
    try {
      lstat(absolute);
    } catch (cause) {
      missing.push({ path, reason: systemReason(cause) });
      continue;
    }
    found.set(absolute.toString('latin1'), absolute);
  }
  const nested: string[] = [];
  for (const [name, path] of found) {
    const above = foldersAbove(name);
    const outer = above.findIndex((each) => found.has(each));
    const link = outer < 0 ? undefined : above.slice(outer).find(isLink);
    if (link === undefined) addSource(only, components(path));
    else missing.push({ path, reason: lostBehind(link, above[outer] as string) });
    if (link !== undefined) found.delete(name);
    else if (outer >= 0) nested.push(name);
  }
  return { only: found.has('/') ? {} : only, paths: [...found.values()], missing, nested };
}

/** What of `nested` lies below a folder, as names from there on; undefined when nothing does. */
export function sourcesBelow(folder: Buffer, nested: readonly string[]): OnlyNames | undefined {
  const above = folder.length === 1 ? '/' : `${folder.toString('latin1')}/`;
  const below = nested.filter((path) => path.startsWith(above));
  if (below.length === 0) return undefined;
  const only = Object.create(null) as MutableNames;
  for (const path of below) addSource(only, path.slice(above.length).split('/'));
  return only;
}

/** The folders that an absolute path leads through, from `/` on. */
function foldersAbove(path: string): string[] {
  const names = path.split('/').filter(Boolean);
  return names.map((_, depth) => `/${names.slice(0, depth).join('/')}`);
}

function isLink(path: string): boolean {
  try {
    return lstat(Buffer.from(path, 'latin1')).type === 'symlink';
  } catch {
    // It has just gone; the walk will tell.
    return false;
  }
}

function lostBehind(link: string, outer: string): string {
  const [by, from] = [link, outer].map((path) => Buffer.from(path, 'latin1').toString());
  return `leads through ${by}, a link, and as such that is stored with ${from}: give the path to which it leads`;
}

/** Absolute, without `.`, `..`, double or trailing slashes; links are not resolved. */
export function normalize(path: Buffer, folder: Buffer): Buffer {
  const absolute = path[0] === 0x2f ? path : Buffer.concat([folder, Buffer.from('/'), path]);
  return Buffer.from(`/${components(absolute).join('/')}`, 'latin1');
}

function components(path: Buffer): string[] {
  const names: string[] = [];
  for (const name of path.toString('latin1').split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return names;
}

/** A source below another source adds nothing. */
function addSource(only: MutableNames, names: readonly string[]): void {
  let at = only;
  for (const [depth, name] of names.entries()) {
    const below = at[name];
    if (below === true) return;
    if (depth === names.length - 1) at[name] = true;
    else {
      const next = below ?? (Object.create(null) as MutableNames);
      at[name] = next;
      at = next;
    }
  }
}
