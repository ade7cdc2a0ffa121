import { Buffer } from 'node:buffer';
import { lstatSync } from 'node:fs';
import { normalize } from '../../../backup/sources.js';
import { joinPath } from '../../../format/path.js';
import { pathBytes, workingDirectory } from '../../program/arguments.js';
import type { Context } from '../../program/shell.js';

const GLOB = /[*?[\\]/;

/**
 * Warns of a path after `--exclude` that excludes nothing, for example because of a typing error. It does not warn of other patterns or of
 * patterns from files, because a list for many machines names paths that one of them lacks.
 */
export function adviseOnExcludes({ output }: Context, excludes: readonly string[], sources: readonly Buffer[]): void {
  if (output.verbosity === 0) return;
  for (const pattern of excludes) {
    if (!pattern.startsWith('/') || GLOB.test(pattern)) continue;
    const reason = whyUseless(normalize(pathBytes(pattern), ROOT), sources);
    if (reason !== undefined) output.warn(`--exclude ${pattern} excludes nothing: ${reason}`);
  }
}

const ROOT = Buffer.from('/');

function whyUseless(path: Buffer, sources: readonly Buffer[]): string | undefined {
  const absolute = sources.map((source) => normalize(source, workingDirectory()));
  if (!absolute.some((source) => isWithin(path, source) || isWithin(source, path)))
    return 'it is not below any of the paths in this backup';
  try {
    return lstatSync(path, { throwIfNoEntry: false }) === undefined ? 'the path does not exist' : undefined;
  } catch {
    // A path that cannot be read may exist.
    return undefined;
  }
}

function isWithin(path: Buffer, directory: Buffer): boolean {
  const start = joinPath(directory, Buffer.alloc(0));
  return path.equals(directory) || path.subarray(0, start.length).equals(start);
}
