import { closeSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Programs know a cache by this file, `backup --exclude-caches` among them: see bford.info/cachedir. */
const TAG_FILE = 'CACHEDIR.TAG';
const TAG = 'Signature: 8a477f597d28d172789f06886806bc55\n# varve created this cache.\n';
const PRIVATE = 0o600;

/** Marks a directory as a cache unless it is marked already. Never throws: without the tag the cache works as well. */
export function tagCache(directory: string): void {
  const path = join(directory, TAG_FILE);
  try {
    const file = openSync(path, 'wx', PRIVATE);
    try {
      writeFileSync(file, TAG);
    } catch {
      // A part of the tag would stay a part.
      unlinkSync(path);
    } finally {
      closeSync(file);
    }
  } catch {
    // It is there, or cannot be written.
  }
}
