import * as module from 'node:module';
import { join } from 'node:path';
import { tagCache } from '../../storage/cached/cache-tag.js';
import { trustOf } from '../../storage/cached/trust.js';
import { makeDirectories } from '../../storage/make-directories.js';
import { cacheLocation } from '../repository/cache-location.js';

const PRIVATE = 0o700;

/**
 * Has Node keep what it compiles, where it can (from 22.8 on), which halves the time to start. It runs what it finds there, so nobody else may be
 * able to write there.
 */
export function keepCompiledCode(args: readonly string[]): void {
  const { enableCompileCache } = module as { enableCompileCache?: (directory: string) => unknown };
  if (enableCompileCache === undefined || args.includes('--no-cache')) return;
  const location = cacheLocation(process.env);
  if (location === undefined) return;
  const trust = trustOf(join(location, 'code'));
  if (!('path' in trust)) return;
  try {
    makeDirectories(trust.path, PRIVATE);
    enableCompileCache(trust.path);
    tagCache(trust.path);
  } catch {
    // Then the next start takes as long as this one.
  }
}
