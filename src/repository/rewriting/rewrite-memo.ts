import type { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { ContentRef } from '../../format/content.js';
import type { RewrittenFolder } from './tree-rewriter.js';

/** Some 200 bytes each. */
const MAX_FOLDERS = 300_000;
const KEY_BYTES = 16;

/** What became of folders, so that those which snapshots share are done once. Of too many the oldest are forgotten. */
export class RewriteMemo {
  readonly #folders = new Map<string, RewrittenFolder>();

  /** @param path where it counts */
  get(content: ContentRef, path?: Buffer): RewrittenFolder | undefined {
    return this.#folders.get(keyOf(content, path));
  }

  add(content: ContentRef, rewritten: RewrittenFolder, path?: Buffer): void {
    this.#folders.set(keyOf(content, path), rewritten);
    if (this.#folders.size <= MAX_FOLDERS) return;
    const [oldest] = this.#folders.keys();
    if (oldest !== undefined) this.#folders.delete(oldest);
  }
}

function keyOf({ size, depth, ids }: ContentRef, path: Buffer | undefined): string {
  const hash = createHash('sha256').update(`${size} ${depth} ${ids.length} `).update(ids);
  if (path !== undefined) hash.update(path);
  return hash.digest().toString('latin1', 0, KEY_BYTES);
}
