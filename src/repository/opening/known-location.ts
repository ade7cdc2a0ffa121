// What this machine remembers of the locations of repositories.
// What it remembers of the repositories themselves is left to LocalState.
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import type { CacheDirectory } from '../../storage/cached/cache-directory.js';
import type { Store } from '../../storage/store.js';

/** Bytes of a slot's id in hex. */
const SLOT_CHARACTERS = 32;

/** This machine's note that a repository was opened at a location, and by which key slot. */
export class KnownLocation {
  readonly #directory: CacheDirectory | undefined;
  readonly #name: string;

  /** @param cache undefined to remember nothing */
  constructor(store: Store, cache: CacheDirectory | undefined) {
    this.#directory = cache?.within('last-key');
    this.#name = createHash('sha256').update(absoluteLocation(store)).digest('hex').slice(0, 32);
  }

  /** Hex id of the slot that opened the repository last; undefined when none did. */
  get slot(): string | undefined {
    return this.#directory?.read(this.#name, SLOT_CHARACTERS)?.toString('latin1');
  }

  note(slot: string): void {
    if (this.slot !== slot) this.#directory?.write(this.#name, [Buffer.from(slot)]);
  }
}

/** Relative paths are made absolute: they mean another directory in every working directory. */
function absoluteLocation(store: Store): string {
  return localDirectory(store) ?? store.location;
}

/** The absolute path of a store that is a local directory; undefined for other stores. */
export function localDirectory(store: Store): string | undefined {
  const config = store.filePath?.('config', 'config');
  if (config === undefined) return undefined;
  const path = dirname(config);
  try {
    return resolve(path);
  } catch {
    // The working directory was removed.
    return path;
  }
}
