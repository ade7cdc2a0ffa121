import * as module from 'node:module';
import { join } from 'node:path';
import { tagCache } from '../../storage/cached/cache-tag.js';
import { trustOf } from '../../storage/cached/trust.js';
import { makeDirectories } from '../../storage/make-directories.js';
import { cacheLocation } from '../repository/cache-location.js';

const PRIVATE = 0o700;

/**
 * Turns on Node's compile cache (from 22.8 on), which halves the time to start. Node runs the code that it finds there, so no other user
 * may have write access.
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
    // Without the cache the next start is as slow as this one.
  }
}
