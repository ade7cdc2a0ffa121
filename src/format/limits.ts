// Limits that a reader enforces (SPEC.md section 1).
// Each decoder checks its own.
export { MAX_SEALED_PLAINTEXT } from '../bytes/pack-constants.js';

/** Bytes of a blob id, an object name, a key. */
export const ID_BYTES = 32;
/** The hard limits of SPEC.md section 1. */
export const MAX_CHUNK = 64 * 1024 * 1024;
export const MAX_FRAME = MAX_CHUNK + 4 * 1024 * 1024;
export const MAX_PACK = 1024 * 1024 * 1024;
export const MAX_DEPTH = 4096;
/** Bytes of a directory's entry: enough for half a million ids, more than any file needs. */
export const MAX_ENTRY = 16 * 1024 * 1024;
/** More chunks than this and a content reference goes through a list (depth 1). */
export const MAX_DIRECT_CHUNKS = 2048;
