/** Decides whether only this user can change a directory. varve must not read, follow or run what other users can change. */

import { lstatSync, type Stats } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoCode, systemReason } from '../../errors/errors.js';
import { resolvedPath } from '../local/resolved-path.js';

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

export type Trust = { readonly path: string } | { readonly problem: string };

/**
 * Resolves the links of a path and checks the directory and its parents, as sshd does for a user's keys. The directory need not exist.
 *
 * @returns its path without links, or why it cannot be trusted
 */
export function trustOf(directory: string): Trust {
  try {
    const path = resolvedPath(resolve(directory));
    for (let each = path; ; each = dirname(each)) {
      const problem = problemOfAncestor(each, each === path);
      if (problem !== undefined) return { problem };
      if (each === dirname(each)) return { path };
    }
  } catch (cause) {
    return { problem: `${directory}: ${systemReason(cause)}` };
  }
}

function problemOfAncestor(path: string, isCache: boolean): string | undefined {
  let stat: Stats | undefined;
  try {
    stat = lstatSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    // Where this user may not look he writes nothing either.
    if (errnoCode(cause) === 'EACCES') return undefined;
    throw cause;
  }
  if (stat === undefined) return undefined;
  // Others may make files in /tmp, but cannot replace what is there.
  const keepsNames = !isCache && (stat.mode & STICKY) !== 0;
  return stat.isDirectory() ? problemOf(path, stat, keepsNames) : `${path} is not a directory`;
}

/** Why others can change this file or directory; undefined when only this user and root can. */
export function problemOf(path: string, { uid, mode }: Stats, keepsNames = false): string | undefined {
  const own = process.geteuid?.();
  if (own === undefined) return undefined;
  if (uid !== own && uid !== 0) return `${path} belongs to another user (uid ${uid})`;
  if ((mode & WRITABLE_BY_OTHERS) === 0 || keepsNames) return undefined;
  const shown = (mode & 0o7777).toString(8).padStart(4, '0');
  return `${path} can be written by other users (mode ${shown}; chmod go-w ${path} ends that)`;
}
