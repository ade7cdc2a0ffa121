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
  readonly missing: readonly { readonly path: Buffer; readonly reason: string }[];
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
  const missing: { path: Buffer; reason: string }[] = [];
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
    addSource(only, components(absolute));
  }
  return { only: found.has('/') ? {} : only, paths: [...found.values()], missing };
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
