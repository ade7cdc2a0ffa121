import { constants, statSync } from 'node:fs';
import { type FileHandle, lstat, open, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoCode } from '../../errors/errors.js';
import { DIRECTORY_MODE, FILE_MODE } from '../layout.js';

/** The mode bit that shows that a repository is shared with a group. */
const GROUP_READS = 0o040;
const GROUP_USES = 0o070;
const SETGID = 0o2000;

/**
 * The owner of new objects: objects that root writes into a user's repository belong to the user, and where a group may read the repository
 * (restic, too, checks `config`) it may read new objects.
 */
export class Ownership {
  readonly #uid: number;
  readonly #gid: number;
  readonly #shared: boolean;
  readonly #directoryMode: number;
  readonly #isRoot: boolean;

  /** @param root the repository's directory. */
  constructor(root: string) {
    const directory = statSync(root);
    const config = statSync(join(root, 'config'), { throwIfNoEntry: false });
    this.#uid = directory.uid;
    this.#gid = directory.gid;
    // Before a config exists, only the directory's own mode shows a group.
    const isForGroup = (directory.mode & SETGID) !== 0 && (directory.mode & GROUP_USES) === GROUP_USES;
    this.#shared = config === undefined ? isForGroup : (config.mode & GROUP_READS) !== 0;
    this.#directoryMode = DIRECTORY_MODE | (this.#shared ? GROUP_USES | (directory.mode & SETGID) : 0);
    this.#isRoot = process.geteuid?.() === 0;
  }

  /** Gives a new file to the repository's owner and group. @param path the path of the new file */
  async giveFile(file: FileHandle, path: string): Promise<void> {
    if (await this.#give(file, path)) await this.#setMode(file, FILE_MODE | GROUP_READS);
  }

  /** The same for a directory, unless it is not empty or another user made it. */
  async giveDirectory(path: string): Promise<void> {
    if (!this.#isNeeded || (await lstat(path)).isSymbolicLink()) return;
    const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      const { uid } = await directory.stat();
      if (uid !== process.geteuid?.() || (await readdir(path)).length > 0) return;
      if (await this.#give(directory, path)) await this.#setMode(directory, this.#directoryMode);
    } finally {
      await directory.close();
    }
  }

  get #isNeeded(): boolean {
    return this.#shared || (this.#isRoot && this.#uid !== 0);
  }

  /** @returns false when the owner stays */
  async #give(file: FileHandle, path: string): Promise<boolean> {
    if (!this.#isNeeded) return false;
    const made = await file.stat();
    const owner = this.#isRoot ? this.#uid : made.uid;
    if (made.uid === owner && made.gid === this.#gid) return true;
    // A link may lead into another user's directory: then the owner stays.
    const isAlone = made.nlink === 1 || made.isDirectory();
    if (made.uid !== owner && !(isAlone && (await isIn(path, owner, made)))) return false;
    await file.chown(owner, this.#gid).catch((cause) => {
      // A user who is not in the group, or a file system without owners.
      if (errnoCode(cause) !== 'EPERM') throw cause;
    });
    return true;
  }

  async #setMode(file: FileHandle, mode: number): Promise<void> {
    if (this.#shared) await file.chmod(mode);
  }
}

/** Whether the directory of a path belongs to a user and has this file. */
async function isIn(
  path: string,
  owner: number,
  file: { readonly ino: number; readonly dev: number },
): Promise<boolean> {
  const directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    if ((await directory.stat()).uid !== owner) return false;
    const found = await lstat(`/proc/self/fd/${directory.fd}/${basename(path)}`).catch(() => undefined);
    return found?.ino === file.ino && found.dev === file.dev;
  } finally {
    await directory.close();
  }
}
