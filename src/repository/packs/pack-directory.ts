// The directory of a pack: what the pack holds, signed by the slot that assembled it (SPEC.md section 9).
// Padding, parity and the rest of a pack are left to pack-writer.ts.
import type { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { asArray, asBytes, decode, encode } from '../../bytes/msgpack.js';
import { asBuffer } from '../../bytes/views.js';
import type { Certificate } from '../../crypto/certificate.js';
import { FOOTER_LENGTH, openFooter } from '../../crypto/footer.js';
import { openObject, SEALED_OVERHEAD, sealObject } from '../../crypto/sealed.js';
import { openSigned, signedOverhead, signPayload } from '../../crypto/signed.js';
import { VarveError } from '../../errors/errors.js';
import { frameAt, frameCount, type PackRecord, packRecordFields, parsePackRecord } from '../../format/pack-record.js';
import type { Store } from '../../storage/store.js';
import { objectName, type Repository } from '../repository.js';

/** Bytes of a pack's end that one request to a remote store fetches: mostly they include the directory. */
const TAIL_BYTES = 128 * 1024;
const HASH_BYTES = 32;

/** The keys that seal a directory, and the slot that signs it. */
export type PackSigner = Pick<Repository, 'keys' | 'identity'>;

/** An opened directory. */
export interface PackDirectory {
  readonly record: PackRecord;
  /** The slot that assembled the pack. */
  readonly signer: Certificate;
  /** Where in the pack the directory begins. */
  readonly offset: number;
  /** SHA-256 of all bytes before the directory. */
  readonly contents: Uint8Array;
}

/** How much longer a directory is than its encoded record, at most. */
export function directoryOverhead({ identity }: PackSigner): number {
  return SEALED_OVERHEAD + signedOverhead(identity) + HASH_BYTES + 16;
}

/** A directory whose length is known before the bytes that it vouches for are. */
export class DirectoryDraft {
  readonly length: number;
  readonly #signer: PackSigner;
  readonly #payload: Buffer;

  constructor(signer: PackSigner, record: PackRecord) {
    this.#signer = signer;
    this.#payload = encode([packRecordFields(record), new Uint8Array(HASH_BYTES)]);
    const { certificateBytes } = signer.identity;
    const signature = new Uint8Array(certificateBytes[1].length);
    this.length = SEALED_OVERHEAD + encode([certificateBytes, signature, this.#payload]).length;
  }

  /** Signs and seals the directory. @param contents SHA-256 of all bytes of the pack before the directory */
  seal(contents: Uint8Array): Uint8Array {
    const { keys, identity } = this.#signer;
    this.#payload.set(contents, this.#payload.length - HASH_BYTES);
    return sealObject(keys, 'directory', signPayload(keys, identity, 'directory', keys.newestEpoch, this.#payload));
  }
}

/**
 * Reads a pack's own directory. The bytes before it are not compared with what it says of them: see `verifyPack`.
 *
 * @param bytes the whole pack, if the caller has it
 * @throws VarveError `damaged`
 */
export async function readPackDirectory(
  repository: Pick<Repository, 'store' | 'keys'>,
  name: string,
  size: number,
  bytes?: Buffer,
): Promise<PackDirectory> {
  const { store, keys } = repository;
  const path = `data/${name}`;
  if (size < FOOTER_LENGTH) throw new VarveError('damaged', `${path}: too short for a pack`);
  const end = bytes === undefined ? await readEnd(store, name, size) : { offset: 0, bytes };
  const footer = openFooter(keys, end.bytes.subarray(size - FOOTER_LENGTH - end.offset), path);
  const directoryEnd = footer.directoryOffset + footer.directoryLength;
  const stated = directoryEnd + footer.parityLength + FOOTER_LENGTH;
  if (stated !== size || (footer.parityLength > 0 && footer.parityOffset !== directoryEnd))
    throw new VarveError('damaged', `${path}: has ${size} bytes, but its footer states ${stated}`);
  const { directoryOffset: offset, directoryLength: length } = footer;
  const sealed =
    offset >= end.offset
      ? end.bytes.subarray(offset - end.offset, offset - end.offset + length)
      : asBuffer(await store.get('data', name, { offset, length }));
  const { plaintext, epoch } = openObject(keys, 'directory', sealed, path);
  const { payload, certificate: signer } = openSigned(keys, 'directory', epoch, plaintext, path);
  const [fields, contents] = asArray(decode(payload, path), 2, path);
  const record = parsePackRecord(fields, path);
  if (epoch !== footer.epoch || record.kind !== footer.kind)
    throw new VarveError('damaged', `${path}: its footer does not match its directory`);
  const last = frameCount(record) > 0 ? frameAt(record, frameCount(record) - 1) : undefined;
  if (last !== undefined && last.offset + last.storedLength > offset)
    throw new VarveError('damaged', `${path}: its frames and its directory overlap`);
  return { record, signer, offset, contents: asBytes(contents, HASH_BYTES, path) };
}

/**
 * Compares a whole pack with its name, and the bytes before its directory with what was signed.
 *
 * @throws VarveError `damaged`
 */
export async function verifyPack(
  repository: Pick<Repository, 'store' | 'keys'>,
  name: string,
  bytes: Buffer,
): Promise<PackDirectory> {
  if (objectName(bytes) !== name)
    throw new VarveError('damaged', `data/${name}: its content does not match its name; run \`varve check\``);
  const directory = await readPackDirectory(repository, name, bytes.length, bytes);
  const contents = createHash('sha256').update(bytes.subarray(0, directory.offset)).digest();
  if (!contents.equals(directory.contents))
    throw new VarveError(
      'damaged',
      `data/${name}: its content is not what ${directory.signer.label} signed; someone has put it together from parts of another pack`,
    );
  return directory;
}

async function readEnd(store: Store, name: string, size: number): Promise<{ offset: number; bytes: Buffer }> {
  const length = Math.min(size, store.filePath === undefined ? TAIL_BYTES : FOOTER_LENGTH);
  const offset = size - length;
  return { offset, bytes: asBuffer(await store.get('data', name, { offset, length })) };
}
