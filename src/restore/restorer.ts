import { Buffer } from 'node:buffer';
import { closeSync, fstatSync, ftruncateSync } from 'node:fs';
import { asBuffer } from '../bytes/views.js';
import { importKeys } from '../crypto/hierarchy.js';
import { errnoCode, VarveError } from '../errors/errors.js';
import { readlinkat, unlinkat } from '../filesystem/posix.js';
import { lstat } from '../filesystem/stat.js';
import type { XattrPlace } from '../filesystem/xattrs.js';
import { BlobIndex } from '../repository/index/blob-index.js';
import { FrameOpener, PackKeyRing } from '../repository/reading/blob-reader.js';
import type { Served } from '../workers/serve.js';
import { Comparer } from './comparer.js';
import { ContentWriter } from './content-writer.js';
import { entryOf, xattrsOf } from './file-content.js';
import { Finisher, tryTo } from './finisher.js';
import { openPart } from './growing-file.js';
import { LinkWriter } from './link-writer.js';
import {
  type Comparison,
  type FileTarget,
  INTERRUPTED,
  type Reply,
  type ReplyTo,
  type Task,
  type TaskOf,
  type WorkerInit,
} from './messages.js';
import { isSameSpecial, makeSpecial } from './special-files.js';

/** A result to be sent with the errors of the task. */
type Result<Kind extends Task['kind']> = Omit<ReplyTo<Kind>, 'errors'>;

/** Performs the tasks of a restore worker. */
export class Restorer {
  readonly #finisher: Finisher;
  readonly #writer: ContentWriter;
  readonly #linkWriter: LinkWriter;
  readonly #comparer: Comparer;
  readonly #flags: Int32Array;
  readonly #actions: { readonly [Kind in Task['kind']]: (task: TaskOf<Kind>) => Result<Kind> } = {
    write: (task) => this.#writer.write(task),
    finish: ({ files }) => ({ failed: this.#each(files, (file) => this.#finish(file)) }),
    discard: ({ files }) => {
      for (const file of files) this.#finisher.discard(Buffer.from(file));
      return { failed: [] };
    },
    plain: ({ files }) => ({ failed: this.#each(files, (file) => this.#plain(file)) }),
    matchSpecial: (task) => this.#matchSpecial(task),
    link: (task) => this.#link(task),
    directories: ({ directories }) => ({ failed: this.#each(directories, (each) => this.#directory(each)) }),
    compare: (task) => this.#compare(task),
    verify: ({ file: wanted }) => ({
      failed: this.#each([wanted], (file) => {
        const { directory, name } = this.#finisher.locate(file);
        this.#comparer.verify(directory, name, file);
      }),
    }),
  };

  constructor(init: WorkerInit) {
    const { rules } = init;
    const keys = importKeys(init.keys);
    const index = new BlobIndex(init.index);
    this.#flags = init.flags;
    this.#finisher = new Finisher(init);
    const opener = new FrameOpener(index, keys, new PackKeyRing(keys));
    this.#writer = new ContentWriter(index, opener, this.#finisher, rules.sparse);
    this.#linkWriter = new LinkWriter(this.#finisher);
    const { metadata, fileSystems } = this.#finisher;
    this.#comparer = new Comparer(index, keys.id, metadata, fileSystems, rules.dryRun, () => this.#stopIfAborted());
  }

  close(): void {
    this.#finisher.directories.close();
  }

  perform(task: Task): Served<Reply> {
    this.#stopIfAborted();
    this.#finisher.takeErrors();
    const action = this.#actions[task.kind] as (task: Task) => Omit<Reply, 'errors'>;
    const result = action(task);
    return { reply: { ...result, errors: this.#finisher.takeErrors() } };
  }

  #stopIfAborted(): void {
    if (Atomics.load(this.#flags, 0) !== 0) throw new VarveError('interrupted', INTERRUPTED);
  }

  #matchSpecial({ files }: TaskOf<'matchSpecial'>): Result<'matchSpecial'> {
    const matching: number[] = [];
    const failed = this.#each(files, (file, number) => {
      if (this.#matches(file)) matching.push(number);
    });
    return { failed, matching };
  }

  #link({ links }: TaskOf<'link'>): Result<'link'> {
    const existing: number[] = [];
    const failed = this.#each(links, (link, number) => {
      if (!this.#linkWriter.link(link)) existing.push(number);
    });
    return { failed, existing };
  }

  #compare({ files }: TaskOf<'compare'>): Result<'compare'> {
    const comparisons: Comparison[] = files.map(() => ({ outcome: 'different' }));
    const failed = this.#each(files, (file, number) => {
      const { directory, name } = this.#finisher.locate(file);
      comparisons[number] = this.#comparer.compare(directory, name, file, this.#finisher.warnerOf(file));
    });
    return { failed, comparisons };
  }

  /** Runs an action for each item. @returns the numbers of those for which it failed */
  #each<Item extends { readonly path: Uint8Array }>(
    items: readonly Item[],
    action: (item: Item, number: number) => void,
  ): number[] {
    const failed: number[] = [];
    for (const [number, item] of items.entries()) {
      try {
        action(item, number);
      } catch (cause) {
        this.#finisher.fail(item.path, cause);
        failed.push(number);
      }
    }
    return failed;
  }

  /** Sets the size, metadata and name of a file that several tasks have written. */
  #finish(file: FileTarget): void {
    const { directory, name } = this.#finisher.locate(file);
    const temporary = Buffer.from(file.temporary as Uint8Array);
    const entry = entryOf(file);
    const handle = openPart(directory, temporary, this.#finisher.fileSystems);
    try {
      if (fstatSync(handle).size !== entry.size) ftruncateSync(handle, entry.size);
      this.#finisher.setMetadata(handle, file, entry);
    } finally {
      closeSync(handle);
    }
    this.#finisher.moveInto(directory, temporary, name);
  }

  /** Makes an item without blobs: an empty file, a symbolic link, a FIFO, a socket or a device. */
  #plain(file: FileTarget): void {
    const entry = entryOf(file);
    if (entry.type === 'file') return this.#writer.writeEmpty(file);
    const { directory, name } = this.#finisher.locate(file);
    const temporary = this.#finisher.temporaryName();
    try {
      makeSpecial(entry, directory, temporary);
      this.#finisher.setMetadata({ directory, name: temporary }, file, entry);
    } catch (cause) {
      // Some file systems report an error although they have made the file.
      tryTo(() => unlinkat(directory, temporary));
      throw cause;
    }
    this.#finisher.moveInto(directory, temporary, name);
  }

  /** Whether a symbolic link or special file exists and matches. If not it is made again: changing it by name would not be safe. */
  #matches(file: FileTarget): boolean {
    const entry = entryOf(file);
    const { directory, name } = this.#finisher.locate(file);
    const stat = lstat(name, directory);
    const isSame = isSameSpecial(stat, entry) && stat.links === entry.links;
    if (!isSame || (entry.type === 'symlink' && !readlinkat(directory, name).equals(entry.target as Buffer)))
      return false;
    return this.#finisher.metadata.matches({ directory, name }, stat, entry, xattrsOf(file, entry));
  }

  /** Sets a directory's metadata, after everything in it is written. */
  #directory(directory: FileTarget): void {
    const entry = entryOf(directory);
    let place: XattrPlace;
    try {
      place = this.#finisher.directories.directory(asBuffer(directory.path));
    } catch (cause) {
      // An existing directory that this user may not read.
      if (errnoCode(cause) !== 'EACCES') throw cause;
      place = this.#finisher.locate(directory);
    }
    this.#finisher.setMetadata(place, directory, entry);
  }
}
