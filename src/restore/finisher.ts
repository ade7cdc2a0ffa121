// What the tasks of a restore worker share: open directories, temporary names, setting metadata, renaming, errors.
// Contents are written in content-writer.ts, links made in link-writer.ts.
import { Buffer } from 'node:buffer';
import { threadId } from 'node:worker_threads';
import { asBuffer } from '../bytes/views.js';
import { errnoCode, isInterrupted, systemReason, VarveError } from '../errors/errors.js';
import { OwnerNames } from '../filesystem/owners.js';
import { renameat, unlinkat } from '../filesystem/posix.js';
import type { XattrPlace } from '../filesystem/xattrs.js';
import type { EntryReader } from '../format/entry-reader.js';
import type { Xattr } from '../format/xattrs.js';
import { DirectoryHandles, splitPath } from './directory-handles.js';
import { xattrsOf } from './file-content.js';
import { FileSystems } from './file-system.js';
import { type FileTarget, HOLES_FILLED, type ItemError, type ProblemKind, type WorkerInit } from './messages.js';
import { MetadataSetter, type Warn } from './metadata.js';
import { refusesName, unsupportedName } from './names.js';
import { temporaryPrefix } from './temporary-names.js';

/** Completes temporary files: sets their metadata and gives them their names. Collects the errors of a task. */
export class Finisher {
  readonly directories: DirectoryHandles;
  readonly fileSystems: FileSystems;
  readonly metadata: MetadataSetter;
  readonly #prefix: string;
  #nextTemporary = 0;
  #errors: ItemError[] = [];

  constructor({ target, rules, run }: Pick<WorkerInit, 'target' | 'rules' | 'run'>) {
    this.directories = new DirectoryHandles(target);
    this.metadata = new MetadataSetter(rules, new OwnerNames());
    this.fileSystems = new FileSystems(() => this.temporaryName(), rules.dryRun);
    this.#prefix = temporaryPrefix(run, String(threadId));
  }

  /** A file's name and its open directory, which stays open until the next call. */
  locate(file: FileTarget): { directory: number; name: Buffer } {
    const { directory, name } = splitPath(asBuffer(file.path));
    return { directory: this.directories.directory(directory), name };
  }

  /** A new name for a file that only this task writes. */
  temporaryName(): Buffer {
    return Buffer.from(`${this.#prefix}${this.#nextTemporary++}`);
  }

  setMetadata(place: XattrPlace, target: FileTarget, entry: EntryReader): void {
    const warn = this.warnerOf(target);
    let xattrs: readonly Xattr[] | undefined;
    try {
      xattrs = xattrsOf(target, entry);
    } catch (cause) {
      this.report(target.path, `its attributes cannot be read: ${VarveError.from(cause).message}`, 'metadata');
    }
    const { directory } = splitPath(asBuffer(target.path));
    const bare = entry.type !== 'directory' && !this.directories.mayPassOnAttributes(directory);
    this.metadata.set(place, entry, xattrs, bare, warn);
    if (entry.holes !== undefined && !this.fileSystems.of(this.directories.directory(directory)).keepsHoles)
      warn('holes', HOLES_FILLED);
  }

  /** Gives a temporary file its name. When that fails, removes it. */
  moveInto(directory: number, temporary: Buffer, name: Buffer): void {
    try {
      renameat(directory, temporary, directory, name);
    } catch (cause) {
      const existed = tryTo(() => unlinkat(directory, temporary));
      throw existed && refusesName(cause) ? unsupportedName(cause) : cause;
    }
  }

  /** Removes a temporary file, if it exists. */
  discard(path: Buffer): void {
    const { directory, name } = splitPath(path);
    tryTo(() => unlinkat(this.directories.directory(directory), name));
  }

  /** Reports the failure of an item. @throws VarveError `full`, or the cause when the restore is interrupted */
  fail(path: Uint8Array, cause: unknown): void {
    if (errnoCode(cause) === 'ENOSPC')
      throw new VarveError(
        'full',
        `the target is full: ${Buffer.from(path)}; free some space and run the restore again`,
      );
    if (isInterrupted(cause)) throw cause;
    this.report(path, cause instanceof VarveError ? cause.message : systemReason(cause), 'content');
  }

  report(path: Uint8Array, message: string, kind: ProblemKind): void {
    this.#errors.push({ path: new Uint8Array(path), message, kind });
  }

  warnerOf({ path }: FileTarget): Warn {
    return (kind, message) => this.report(path, message, kind);
  }

  /** Returns the errors since the last call. */
  takeErrors(): ItemError[] {
    const errors = this.#errors;
    this.#errors = [];
    return errors;
  }
}

/** Ignores a failure, for cleaning up after another that is reported. @returns whether it succeeded */
export function tryTo(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}
