import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode, encode } from '../bytes/msgpack.js';
import { type CryptoEngine, hkdf, TAG_LENGTH } from '../crypto/engine.js';
import type { Identity } from '../crypto/signed.js';
import { makeFolders } from '../storage/make-folders.js';

const NONCE_BYTES = 12;

/**
 * What this machine remembers of a repository between runs, in its cache folder, sealed under the slot's own key. All of it can be lost
 * at any time: it only saves work, with one exception: for an append key, which cannot read old trees, it is what lets a second backup
 * skip unchanged files.
 */
export class LocalState {
  readonly #folder: string | undefined;
  readonly #engine: CryptoEngine;
  readonly #secret: Uint8Array;

  /** @param folder this slot's folder in the cache, or undefined to remember nothing */
  constructor(folder: string | undefined, identity: Identity, engine: CryptoEngine) {
    this.#folder = folder;
    this.#engine = engine;
    this.#secret = identity.boxPrivate;
  }

  /** What was written under the name, or undefined: never written, deleted, damaged or another slot's. */
  read(name: string): unknown {
    if (this.#folder === undefined) return undefined;
    try {
      const bytes = readFileSync(join(this.#folder, name));
      const nonce = bytes.subarray(0, NONCE_BYTES);
      const plaintext = this.#engine.gcmOpen(this.#key(name), nonce, Buffer.from(name), bytes.subarray(NONCE_BYTES));
      return plaintext && decode(plaintext, name);
    } catch {
      return undefined;
    }
  }

  write(name: string, value: unknown): void {
    if (this.#folder === undefined) return;
    const nonce = randomBytes(NONCE_BYTES);
    const plaintext = encode(value);
    const sealed = Buffer.alloc(plaintext.length + TAG_LENGTH);
    this.#engine.gcmSealInto(sealed, 0, this.#key(name), nonce, Buffer.from(name), plaintext);
    const path = join(this.#folder, name);
    const temporary = `${path}.${randomBytes(4).toString('hex')}`;
    try {
      makeFolders(this.#folder, 0o700);
      writeFileSync(temporary, Buffer.concat([nonce, sealed]), { mode: 0o600 });
      renameSync(temporary, path);
    } catch {
      discard(temporary);
    }
  }

  #key(name: string): Uint8Array {
    return hkdf(this.#engine, this.#secret, new Uint8Array(), `varve/1/local/${name}`, 32);
  }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // In a folder that cannot be written to, nothing was left either.
  }
}
