import { Buffer } from 'node:buffer';
import { closeSync } from 'node:fs';
import { asBuffer } from '../bytes/views.js';
import type { VarveError } from '../errors/errors.js';
import { DATA } from '../format/content.js';
import type { BlobIndex } from '../repository/index/blob-index.js';
import { type FrameOpener, passOver } from '../repository/reading/blob-reader.js';
import { beside, splitPath } from './directory-handles.js';
import { entryOf } from './file-content.js';
import { type Finisher, tryTo } from './finisher.js';
import { GrowingFile } from './growing-file.js';
import type { BadCopyUse, BlobUse, FileTarget, ReplyTo, TaskOf } from './messages.js';
import { type Run, runsOf } from './runs.js';

/** The files of a task that failed, by their numbers. */
class Failures {
  readonly final = new Set<number>();
  /** Files whose blobs have other copies. */
  readonly again: BadCopyUse[] = [];

  has(file: number): boolean {
    return this.final.has(file) || this.again.some((each) => each.file === file);
  }
}

/** Opens frames and writes their blobs to files. */
export class ContentWriter {
  readonly #index: BlobIndex;
  readonly #opener: FrameOpener;
  readonly #finisher: Finisher;
  readonly #sparse: boolean;
  #buffer: Buffer = Buffer.alloc(0);

  constructor(index: BlobIndex, opener: FrameOpener, finisher: Finisher, sparse: boolean) {
    this.#index = index;
    this.#opener = opener;
    this.#finisher = finisher;
    this.#sparse = sparse;
  }

  /** Performs a task. @returns the numbers of the files that failed, and those that can be tried again */
  write(task: TaskOf<'write'>): Omit<ReplyTo<'write'>, 'errors'> {
    const failed = new Failures();
    const files = task.files.map((target) => new GrowingFile(target, this.#sparse, this.#finisher.fileSystems));
    for (const { uses } of task.frames) for (const { file } of uses) (files[file] as GrowingFile).remaining++;
    try {
      for (const { frame, uses } of task.frames) {
        const wanted = uses.filter(({ file }) => !failed.has(file));
        if (wanted.length > 0) this.#writeFrame(task, frame, wanted, files, failed);
      }
    } catch (cause) {
      for (const file of files) if (file.handle !== undefined) this.#abandon(file);
      throw cause;
    }
    return { failed: [...failed.final], again: failed.again };
  }

  #writeFrame(
    task: TaskOf<'write'>,
    frame: number,
    uses: readonly BlobUse[],
    files: readonly GrowingFile[],
    failed: Failures,
  ): void {
    const fail = (file: number, cause: unknown): void => {
      if (failed.has(file)) return;
      failed.final.add(file);
      this.#abandon(files[file] as GrowingFile);
      this.#finisher.fail((files[file] as GrowingFile).target.path, cause);
    };
    const failCopy = ({ file, blob }: BlobUse, cause: unknown): void => {
      if (failed.has(file)) return;
      const report = (pack: string, { message }: VarveError): void => void failed.again.push({ file, pack, message });
      if (!passOver(this.#index, blob, cause, { report })) return fail(file, cause);
      this.#abandon(files[file] as GrowingFile);
    };
    const located = this.#index.frame(frame);
    const runs = runsOf(uses, this.#index);
    let raw: Buffer;
    try {
      const at = located.offset - task.start;
      const stored = asBuffer(task.bytes.subarray(at, at + located.storedLength));
      raw = this.#opener.open(located, stored, this.#bufferFor(located.rawLength));
    } catch (cause) {
      for (const use of uses) failCopy(use, cause);
      return;
    }
    for (const run of runs) {
      if (failed.has(run.file)) continue;
      for (const use of run.uses) this.#check(use, raw, located.pack, (cause) => failCopy(use, cause));
      if (failed.has(run.file)) continue;
      try {
        this.#write(files[run.file] as GrowingFile, run, raw.subarray(run.start, run.end));
      } catch (cause) {
        fail(run.file, cause);
      }
    }
  }

  /** The buffer that frames are opened in; reused, because a frame's blobs are written before the next is opened. */
  #bufferFor(length: number): Buffer {
    if (this.#buffer.length < length) this.#buffer = Buffer.allocUnsafeSlow(length);
    return this.#buffer.subarray(0, length);
  }

  /** @param onBad called unless the frame holds the requested blob */
  #check(use: BlobUse, raw: Buffer, pack: number, onBad: (cause: unknown) => void): void {
    const { offset, length } = this.#index.locate(use.blob);
    try {
      this.#opener.verify(asBuffer(use.id), DATA, raw.subarray(offset, offset + length), pack);
    } catch (cause) {
      onBad(cause);
    }
  }

  /** Writes blobs to their file. After the last blob of a file that only this task writes, sets its metadata and name. */
  #write(file: GrowingFile, run: Pick<Run, 'uses' | 'stream'>, bytes: Buffer): void {
    const directory = this.#finisher.directories.directory(splitPath(asBuffer(file.target.path)).directory);
    if (file.handle === undefined) file.open(directory, this.#temporaryOf(file.target));
    const [first] = run.uses;
    if (first?.pieces === undefined) file.write(bytes, run.stream);
    else {
      for (const { stream, file: offset, length } of run.uses.flatMap((use) => use.pieces ?? []))
        file.write(bytes.subarray(stream - run.stream, stream - run.stream + length), offset);
    }
    file.remaining -= run.uses.length;
    if (file.remaining === 0) this.#complete(file, directory);
  }

  #complete(file: GrowingFile, directory: number): void {
    const { target, temporary } = file;
    if (target.temporary !== undefined) return file.close();
    const entry = entryOf(target);
    file.setSize(entry.size);
    const handle = file.detach();
    try {
      this.#finisher.setMetadata(handle, target, entry);
    } finally {
      closeSync(handle);
    }
    this.#finisher.moveInto(directory, temporary, splitPath(asBuffer(target.path)).name);
  }

  #abandon(file: GrowingFile): void {
    const { target, temporary } = file;
    tryTo(() => file.close());
    if (target.temporary === undefined && temporary.length > 0)
      this.#finisher.discard(beside(asBuffer(target.path), temporary));
  }

  #temporaryOf(target: FileTarget): Buffer {
    return target.temporary === undefined ? this.#finisher.temporaryName() : Buffer.from(target.temporary);
  }

  /** Makes an empty file. */
  writeEmpty(target: FileTarget): void {
    const file = new GrowingFile(target, false, this.#finisher.fileSystems);
    try {
      this.#write(file, { uses: [], stream: 0 }, Buffer.alloc(0));
    } catch (cause) {
      this.#abandon(file);
      throw cause;
    }
  }
}
