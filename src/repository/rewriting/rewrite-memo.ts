import type { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { ContentRef } from '../../format/content.js';
import type { RewrittenDirectory } from './tree-rewriter.js';

/** Some 200 bytes each. */
const MAX_DIRECTORIES = 300_000;
const KEY_BYTES = 16;

/** Remembers rewritten directories, so that a directory that snapshots share is rewritten once. Forgets the oldest of too many. */
export class RewriteMemo {
  readonly #directories = new Map<string, RewrittenDirectory>();

  /** @param path the directory's path, if the result depends on it */
  get(content: ContentRef, path?: Buffer): RewrittenDirectory | undefined {
    return this.#directories.get(keyOf(content, path));
  }

  add(content: ContentRef, rewritten: RewrittenDirectory, path?: Buffer): void {
    this.#directories.set(keyOf(content, path), rewritten);
    if (this.#directories.size <= MAX_DIRECTORIES) return;
    const [oldest] = this.#directories.keys();
    if (oldest !== undefined) this.#directories.delete(oldest);
  }
}

function keyOf({ size, depth, ids }: ContentRef, path: Buffer | undefined): string {
  const hash = createHash('sha256').update(`${size} ${depth} ${ids.length} `).update(ids);
  if (path !== undefined) hash.update(path);
  return hash.digest().toString('latin1', 0, KEY_BYTES);
}
