import type { Buffer } from 'node:buffer';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { errnoCode, systemReason, VarveError } from '../errors/errors.js';
import { READ_FLAGS, requireRegular } from '../storage/local/regular-file.js';

/** The bytes of an object. */
export interface Source {
  readonly size: number;
  /** Fills `into` with what begins at `at`. */
  read(into: Buffer, at: number): void;
  close(): void;
}

/** @param object as errors call it */
export function openSource(source: string | Uint8Array, object: string): Source {
  if (typeof source !== 'string') {
    return { size: source.length, read: (into, at) => into.set(source.subarray(at, at + into.length)), close() {} };
  }
  try {
    const file = openSync(source, READ_FLAGS);
    const info = fstatSync(file);
    if (!info.isFile()) closeSync(file);
    requireRegular(info, source);
    return {
      size: info.size,
      read: (into, at) => readFully(file, into, at, object),
      close: () => closeSync(file),
    };
  } catch (cause) {
    throw readError(cause, object);
  }
}

function readFully(file: number, into: Buffer, at: number, object: string): void {
  for (let filled = 0; filled < into.length; ) {
    const count = tryRead(file, into, filled, at + filled, object);
    if (count === 0) throw new VarveError('damaged', `${object}: ends early`);
    filled += count;
  }
}

function tryRead(file: number, into: Buffer, offset: number, at: number, object: string): number {
  try {
    return readSync(file, into, offset, into.length - offset, at);
  } catch (cause) {
    throw readError(cause, object);
  }
}

function readError(cause: unknown, object: string): VarveError {
  if (errnoCode(cause) === 'ENOENT') return new VarveError('not-found', `${object}: is missing`, { cause });
  return new VarveError('storage', `${object}: cannot be read: ${systemReason(cause)}`, { cause });
}
