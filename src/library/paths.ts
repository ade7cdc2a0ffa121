// Paths as text or as bytes, because file names may be any bytes but zero and slash.
// Finding what a path names is left to others.

import { Buffer } from 'node:buffer';
import { normalize } from '../backup/sources.js';
import { asBuffer } from '../bytes/views.js';

/** Text is encoded as UTF-8. */
export type Path = string | Uint8Array;

export function pathBytes(path: Path): Buffer {
  return typeof path === 'string' ? Buffer.from(path) : asBuffer(path);
}

/** The names in a path of a snapshot, with or without a leading slash; none for the root. */
export function pathNames(path: Path): Buffer[] {
  const names: Buffer[] = [];
  for (const name of normalize(pathBytes(path), Buffer.from('/')).toString('latin1').split('/'))
    if (name !== '') names.push(Buffer.from(name, 'latin1'));
  return names;
}
