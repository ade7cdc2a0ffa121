// Paths as programs give them: text or bytes, as file systems have any bytes but zero in names.
import { Buffer } from 'node:buffer';
import { normalize } from '../backup/sources.js';
import { asBuffer } from '../bytes/views.js';

/** Text is taken as UTF-8. */
export type Path = string | Uint8Array;

export function pathBytes(path: Path): Buffer {
  return typeof path === 'string' ? Buffer.from(path) : asBuffer(path);
}

/** The components of a path in a snapshot, with or without a slash in front; none for the root. */
export function pathNames(path: Path): Buffer[] {
  const names: Buffer[] = [];
  for (const name of normalize(pathBytes(path), Buffer.from('/')).toString('latin1').split('/'))
    if (name !== '') names.push(Buffer.from(name, 'latin1'));
  return names;
}
