import { closeSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Programs recognise a cache by this file, for example `backup --exclude-caches`: see bford.info/cachedir. */
const TAG_FILE = 'CACHEDIR.TAG';
const TAG = 'Signature: 8a477f597d28d172789f06886806bc55\n# varve created this cache.\n';
const PRIVATE = 0o600;

/** Marks a directory as a cache unless it is marked. Never throws: the cache works without the tag. */
export function tagCache(directory: string): void {
  const path = join(directory, TAG_FILE);
  try {
    const file = openSync(path, 'wx', PRIVATE);
    try {
      writeFileSync(file, TAG);
    } catch {
      // A later run would not complete a partial tag.
      unlinkSync(path);
    } finally {
      closeSync(file);
    }
  } catch {
    // The tag exists, or cannot be written.
  }
}
