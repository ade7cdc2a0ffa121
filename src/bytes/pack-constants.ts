// Numbers of SPEC.md that both crypto/ and format/ need. Limits that only one of them needs are in its own files.

/** Kinds of blobs and packs (SPEC.md section 8): chunks of file contents, and of directories. */
export const DATA = 1;
export const TREE = 2;
export type BlobKind = typeof DATA | typeof TREE;

/** How a frame is stored: as it is, or compressed. */
export type Codec = 0 | 1;
export const RAW: Codec = 0;
export const ZSTD: Codec = 1;

/** Length of a wrapped pack key: u32 epoch ‖ ephemeral public 32 ‖ sealed key 48. */
export const WRAPPED_KEY_BYTES = 84;
/** Length of the authentication tag after each ciphertext. */
export const TAG_BYTES = 16;
/** Bytes of a key slot's id. */
export const SLOT_ID_LENGTH = 16;
/** Longest plaintext of a sealed object. */
export const MAX_SEALED_PLAINTEXT = 128 * 1024 * 1024;
