import { Buffer } from 'node:buffer';

const SLASH = Buffer.from('/');

/** The path of a name in a folder. */
export function joinPath(folder: Buffer, name: Buffer): Buffer {
  return folder.length === 1 && folder[0] === 0x2f
    ? Buffer.concat([SLASH, name])
    : Buffer.concat([folder, SLASH, name]);
}
