// Writes files that are complete and durable, or absent.
// local-store.ts decides on names.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoCode, VarveError } from '../../errors/errors.js';
import { FILE_MODE, TEMPORARY } from '../layout.js';
import type { Ownership } from './ownership.js';

/** A unique temporary name in the directory of the final file. */
export function temporaryBeside(path: string): string {
  return join(dirname(path), `${TEMPORARY}${randomBytes(8).toString('hex')}`);
}

export async function writeFully(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length; ) written += (await file.write(bytes, written)).bytesWritten;
}

/**
 * Renames a temporary file only when the new name is free; a file system without hard links gets a check first.
 *
 * @throws VarveError `exists` when it is not
 */
export async function linkNew(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (cause) {
    if (errnoCode(cause) === 'EEXIST') throw new VarveError('exists', `${path} already exists`);
    if ((await stat(path).catch(() => undefined)) !== undefined)
      throw new VarveError('exists', `${path} already exists`);
    await rename(temporary, path);
    return;
  }
  // If it stays, a later listing removes it.
  await unlink(temporary).catch(() => undefined);
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY);
  try {
    await directory.sync();
  } catch (cause) {
    // Some file systems (vfat, some network ones) cannot sync a directory; the file itself is synced.
    const code = errnoCode(cause);
    if (code !== 'EINVAL' && code !== 'ENOTSUP' && code !== 'EPERM') throw cause;
  } finally {
    await directory.close();
  }
}

/** A file that is written in pieces and appears under its name only when it is complete and durable. */
export class NewFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: FileHandle;

  private constructor(path: string, temporary: string, file: FileHandle) {
    this.#path = path;
    this.#temporary = temporary;
    this.#file = file;
  }

  /** @throws the system's error */
  static async begin(path: string, ownership: Ownership): Promise<NewFile> {
    const temporary = temporaryBeside(path);
    const file = await open(temporary, 'wx', FILE_MODE);
    try {
      await ownership.giveFile(file, temporary);
    } catch (cause) {
      await file.close();
      await unlink(temporary).catch(() => undefined);
      throw cause;
    }
    return new NewFile(path, temporary, file);
  }

  async write(bytes: Uint8Array): Promise<void> {
    await writeFully(this.#file, bytes);
  }

  /** @throws VarveError `exists` when the name is taken; the system's error. Then call `abandon`. */
  async finish(): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
    await linkNew(this.#temporary, this.#path);
    await syncDirectory(dirname(this.#path));
  }

  /** Removes the temporary file. Must be called unless `finish` succeeded. */
  async abandon(): Promise<void> {
    await this.#file.close().catch(() => undefined);
    await unlink(this.#temporary).catch(() => undefined);
  }
}
