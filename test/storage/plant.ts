import type { Buffer } from 'node:buffer';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ObjectType } from '../../src/storage/store.js';

/** Puts what varve did not write where it could be taken for an object of a repository in a directory. */
export function planting(path: string): (type: ObjectType, name: string, bytes: Buffer) => Promise<void> {
  return async (type, name, bytes) => {
    const directory = type === 'data' ? join(path, type, name.slice(0, 2)) : join(path, type);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, name), bytes);
    if (type === 'data') writeFileSync(join(path, type, name), bytes);
    mkdirSync(dirname(join(path, 'data', 'zz', name)), { recursive: true });
    writeFileSync(join(path, 'data', 'zz', name), bytes);
  };
}
