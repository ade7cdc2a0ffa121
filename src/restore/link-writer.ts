import { Buffer } from 'node:buffer';
import { closeSync, constants } from 'node:fs';
import { asBuffer } from '../bytes/views.js';
import { errnoCode, systemReason } from '../errors/errors.js';
import { linkat, openat, unlinkat } from '../filesystem/posix.js';
import { lstat } from '../filesystem/stat.js';
import { copyFile } from './copy-file.js';
import { splitPath } from './directory-handles.js';
import { type Finisher, tryTo } from './finisher.js';
import type { LinkTarget } from './messages.js';
import { RangeCopier } from './range-copier.js';

const { O_RDONLY, O_DIRECTORY } = constants;

/** Makes hard links, or copies where the file system allows no more links. */
export class LinkWriter {
  readonly #finisher: Finisher;
  readonly #copier = new RangeCopier();

  constructor(finisher: Finisher) {
    this.#finisher = finisher;
  }

  /** @returns false when the link exists already */
  link({ path, to }: LinkTarget): boolean {
    const from = splitPath(asBuffer(to));
    const target = splitPath(asBuffer(path));
    const { name } = target;
    const source = openat(this.#finisher.directories.directory(from.directory), DOT, O_RDONLY | O_DIRECTORY);
    try {
      const directory = this.#finisher.directories.directory(target.directory);
      if (linkNew(source, from.name, directory, name)) return true;
      if (isSameFile(source, from.name, directory, name)) return false;
      const temporary = this.#finisher.temporaryName();
      this.#linkOrCopy(source, from.name, directory, temporary, path);
      this.#finisher.moveInto(directory, temporary, name);
      // Renaming one name of a file over another name of the same file does nothing.
      tryTo(() => unlinkat(directory, temporary));
      return true;
    } finally {
      closeSync(source);
    }
  }

  /** Makes a hard link, or a copy where no further link is possible. */
  #linkOrCopy(source: number, from: Buffer, directory: number, temporary: Buffer, path: Uint8Array): void {
    try {
      linkat(source, from, directory, temporary);
    } catch (cause) {
      if (!NO_LINK.includes(errnoCode(cause) ?? '') || lstat(from, source).type !== 'file') throw cause;
      try {
        copyFile(this.#copier, source, from, directory, temporary, (failure) => {
          const message = `cannot set all of its metadata: ${systemReason(failure)}`;
          this.#finisher.report(path, message, 'metadata');
        });
      } catch (failure) {
        tryTo(() => unlinkat(directory, temporary));
        throw failure;
      }
      const message = `is a copy, not a hard link, because the link cannot be made: ${systemReason(cause)}`;
      this.#finisher.report(path, message, 'link');
    }
  }
}

const DOT = Buffer.from('.');
/** Error codes of link() when a file cannot have another name: not supported, or (EMLINK) too many already. */
const NO_LINK = ['EPERM', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP', 'EMLINK'];

/** @returns false when the name exists, or on any other failure, which the next attempt then reports */
function linkNew(source: number, from: Buffer, directory: number, name: Buffer): boolean {
  try {
    linkat(source, from, directory, name);
    return true;
  } catch {
    return false;
  }
}

function isSameFile(source: number, from: Buffer, directory: number, name: Buffer): boolean {
  const first = lstat(from, source);
  try {
    const second = lstat(name, directory);
    return second.inode === first.inode && second.device === first.device;
  } catch {
    return false;
  }
}
