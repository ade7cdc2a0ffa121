// The keys of tree packs that an append key wrote, remembered on this machine.
// Which packs a backup may rely on because of them is decided in writing/deduplicator.ts.
import { Buffer } from 'node:buffer';
import { toHex } from '../bytes/hex.js';
import { asArray, asBytes } from '../bytes/msgpack.js';
import { WRAPPED_KEY_BYTES } from '../format/pack-record.js';
import type { Repository } from './repository.js';

const REMEMBERED = 'tree-keys';
/** Of 84 + 32 bytes each. The oldest are forgotten: a backup then reads again the files whose trees they opened. */
const MAX_KEYS = 20_000;

/** The key of a tree pack and its wrapped form. */
export interface TreeKey {
  readonly wrapped: Uint8Array;
  readonly key: Uint8Array;
}

/**
 * The keys of tree packs that this machine wrote with an append key, by the hex of their wrapped form. An append key cannot unwrap
 * them, but this machine made them: so it can compare files with the trees of its own last backup.
 */
export function knownTreeKeys(repository: Repository): Map<string, Uint8Array> {
  const known = new Map<string, Uint8Array>();
  const value = repository.keys.role === 'append' ? repository.local.read(REMEMBERED) : undefined;
  if (value === undefined) return known;
  for (const each of asArray(value, undefined, REMEMBERED)) {
    const [wrapped, key] = asArray(each, 2, REMEMBERED);
    known.set(toHex(asBytes(wrapped, WRAPPED_KEY_BYTES, REMEMBERED)), asBytes(key, 32, REMEMBERED));
  }
  return known;
}

/** Adds keys to those that `knownTreeKeys` returns. */
export function rememberTreeKeys(repository: Repository, keys: readonly TreeKey[]): void {
  if (keys.length === 0) return;
  const known = knownTreeKeys(repository);
  for (const { wrapped, key } of keys) known.set(toHex(wrapped), key);
  const latest = [...known].slice(-MAX_KEYS);
  repository.local.write(
    REMEMBERED,
    latest.map(([wrapped, key]) => [Buffer.from(wrapped, 'hex'), key]),
  );
}
