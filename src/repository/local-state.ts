import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { decode, encode } from '../bytes/msgpack.js';
import { type CryptoEngine, hkdf, TAG_BYTES } from '../crypto/engine.js';
import type { Identity } from '../crypto/signed.js';
import type { CacheDirectory } from '../storage/cached/cache-directory.js';

const NONCE_BYTES = 12;
/** Bytes of the longest value: the lock terms of some three million objects. */
const LONGEST = 256 * 1024 * 1024;

/**
 * What this machine remembers of a repository between runs: in its cache directory, sealed under the slot's own key. All of it can be
 * lost at any time, because it only saves work. With an append key, which cannot read old trees, it lets a second backup skip
 * unchanged files.
 */
export class LocalState {
  readonly #directory: CacheDirectory | undefined;
  readonly #engine: CryptoEngine;
  readonly #secret: Uint8Array;

  /** @param directory this slot's directory in the cache; undefined to remember nothing */
  constructor(directory: CacheDirectory | undefined, identity: Identity, engine: CryptoEngine) {
    this.#directory = directory;
    this.#engine = engine;
    this.#secret = identity.boxPrivate;
  }

  /** The value written under the name; undefined when there is none, or it is damaged or another slot's. */
  read(name: string): unknown {
    const bytes = this.#directory?.read(name, LONGEST);
    if (bytes === undefined) return undefined;
    try {
      const nonce = bytes.subarray(0, NONCE_BYTES);
      const plaintext = this.#engine.gcmOpen(this.#key(name), nonce, Buffer.from(name), bytes.subarray(NONCE_BYTES));
      return plaintext && decode(plaintext, name);
    } catch {
      return undefined;
    }
  }

  write(name: string, value: unknown): void {
    if (this.#directory === undefined) return;
    const nonce = randomBytes(NONCE_BYTES);
    const plaintext = encode(value);
    const sealed = Buffer.alloc(plaintext.length + TAG_BYTES);
    this.#engine.gcmSealInto(sealed, 0, this.#key(name), nonce, Buffer.from(name), plaintext);
    this.#directory.write(name, [nonce, sealed]);
  }

  #key(name: string): Uint8Array {
    return hkdf(this.#engine, this.#secret, new Uint8Array(), `varve/1/local/${name}`, 32);
  }
}
