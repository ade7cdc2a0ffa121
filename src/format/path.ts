import { Buffer } from 'node:buffer';

const SLASH = Buffer.from('/');

/** The path of a name in a directory. */
export function joinPath(directory: Buffer, name: Buffer): Buffer {
  return directory.length === 1 && directory[0] === 0x2f
    ? Buffer.concat([SLASH, name])
    : Buffer.concat([directory, SLASH, name]);
}
