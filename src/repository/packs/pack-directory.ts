import type { Buffer } from 'node:buffer';
import { decode } from '../../bytes/msgpack.js';
import { asBuffer } from '../../bytes/views.js';
import { FOOTER_LENGTH, openFooter } from '../../crypto/footer.js';
import { openObject } from '../../crypto/sealed.js';
import { VarveError } from '../../errors/errors.js';
import { frameAt, frameCount, type PackRecord, parsePackRecord } from '../../format/pack-record.js';
import type { Store } from '../../storage/store.js';
import type { Repository } from '../repository.js';

/** Bytes of a pack's end that one request to a remote store fetches: mostly they include the directory. */
const TAIL_BYTES = 128 * 1024;

/**
 * Reads a pack's own directory (SPEC.md section 9).
 *
 * @param bytes the whole pack, if the caller has it
 */
export async function readPackRecord(
  repository: Repository,
  name: string,
  size: number,
  bytes?: Buffer,
): Promise<PackRecord> {
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
  const record = parsePackRecord(decode(plaintext, path), path);
  if (epoch !== footer.epoch || record.kind !== footer.kind)
    throw new VarveError('damaged', `${path}: its footer does not match its directory`);
  const last = frameCount(record) > 0 ? frameAt(record, frameCount(record) - 1) : undefined;
  if (last !== undefined && last.offset + last.storedLength > offset) {
    throw new VarveError('damaged', `${path}: its frames and its directory overlap`);
  }
  return record;
}

async function readEnd(store: Store, name: string, size: number): Promise<{ offset: number; bytes: Buffer }> {
  const length = Math.min(size, store.filePath === undefined ? TAIL_BYTES : FOOTER_LENGTH);
  const offset = size - length;
  return { offset, bytes: asBuffer(await store.get('data', name, { offset, length })) };
}
