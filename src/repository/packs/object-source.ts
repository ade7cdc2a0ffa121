// Reads parts of an object without waiting, from a local file or from memory.
// Fetching objects from other stores is left to the caller.
import type { Buffer } from 'node:buffer';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { errnoCode, VarveError } from '../../errors/errors.js';
import { objectFile } from '../../storage/layout.js';
import { READ_FLAGS, requireRegular } from '../../storage/local/regular-file.js';
import { fileError } from '../../storage/refused-access.js';
import type { ObjectType } from '../../storage/store.js';

/** The bytes of an object, in a file or in memory. */
export interface Source {
  readonly size: number;
  /** Fills `into` with the bytes from `at` on. */
  read(into: Buffer, at: number): void;
  close(): void;
}

/**
 * @param source path of the object's file, or its bytes
 * @param object the object's name in errors
 */
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
      read: (into, at) => {
        try {
          readFully(file, into, at, object);
        } catch (cause) {
          throw readError(cause, source, object);
        }
      },
      close: () => closeSync(file),
    };
  } catch (cause) {
    throw readError(cause, source, object);
  }
}

function readFully(file: number, into: Buffer, at: number, object: string): void {
  for (let filled = 0; filled < into.length; ) {
    const count = readSync(file, into, filled, into.length - filled, at + filled);
    if (count === 0) throw new VarveError('damaged', `${object}: ends early`);
    filled += count;
  }
}

function readError(cause: unknown, path: string, object: string): VarveError {
  if (cause instanceof VarveError) return cause;
  if (errnoCode(cause) === 'ENOENT') return new VarveError('not-found', `${object}: is missing`, { cause });
  const [type = '', name = ''] = object.split('/');
  const root = path.slice(0, -objectFile(type as ObjectType, name).length - 1);
  return fileError(cause, path, root, `cannot read ${object}`);
}
