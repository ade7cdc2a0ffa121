import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import type { CacheDirectory } from '../../storage/cached/cache-directory.js';
import type { Store } from '../../storage/store.js';

/** Bytes of a slot's id in hex. */
const SLOT_CHARACTERS = 32;

/** What this machine remembers of a location: that a repository was opened there, and by which key slot. */
export class KnownLocation {
  readonly #directory: CacheDirectory | undefined;
  readonly #name: string;

  /** @param cache undefined to remember nothing */
  constructor(store: Store, cache: CacheDirectory | undefined) {
    this.#directory = cache?.within('last-key');
    this.#name = createHash('sha256').update(absoluteLocation(store)).digest('hex').slice(0, 32);
  }

  /** The slot that opened the repository here last, in hex; undefined where none did. */
  get slot(): string | undefined {
    return this.#directory?.read(this.#name, SLOT_CHARACTERS)?.toString('latin1');
  }

  note(slot: string): void {
    if (this.slot !== slot) this.#directory?.write(this.#name, [Buffer.from(slot)]);
  }
}

/** A relative path names another directory in every working directory. */
function absoluteLocation(store: Store): string {
  return localDirectory(store) ?? store.location;
}

/** The directory of this machine that the store is; undefined for others. */
export function localDirectory(store: Store): string | undefined {
  const config = store.filePath?.('config', 'config');
  if (config === undefined) return undefined;
  const path = dirname(config);
  try {
    return resolve(path);
  } catch {
    // The working directory is gone.
    return path;
  }
}
