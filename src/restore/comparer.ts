import { Buffer } from 'node:buffer';
import { closeSync, constants } from 'node:fs';
import { equalBytes } from '../bytes/views.js';
import { blobId } from '../crypto/blob-id.js';
import { errnoCode, isInterrupted, VarveError } from '../errors/errors.js';
import { openat, renameat, unlinkat } from '../filesystem/posix.js';
import { type FileStat, fstat } from '../filesystem/stat.js';
import { DATA } from '../format/content.js';
import type { EntryReader } from '../format/entry-reader.js';
import type { BlobIndex } from '../repository/index/blob-index.js';
import { DataMap } from './data-map.js';
import { FileContent, type Part, xattrsOf } from './file-content.js';
import type { FileSystems } from './file-system.js';
import { writeAll } from './growing-file.js';
import { type ComparedFile, type Comparison, HOLES_FILLED } from './messages.js';
import type { MetadataSetter, Warn } from './metadata.js';
import { RangeCopier } from './range-copier.js';
import { isOurPart } from './temporary-names.js';

const {
  O_RDONLY,
  O_RDWR,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_NOATIME = 0,
} = constants as typeof constants & { O_NOATIME?: number };
const PRIVATE = 0o600;
const FULL = ['ENOSPC', 'EDQUOT'];

interface OpenFile {
  readonly handle: number;
  readonly stat: FileStat;
  readonly map: DataMap;
  /** Of its blobs: 1 where the file holds it. */
  readonly kept: Uint8Array;
}

/** Compares files with what is there of them, and gathers that. A file is never written to under its own name. */
export class Comparer {
  readonly #index: BlobIndex;
  readonly #idKey: Uint8Array;
  readonly #metadata: MetadataSetter;
  readonly #fileSystems: FileSystems;
  readonly #dryRun: boolean;
  readonly #zeros: ZeroBlobs;
  readonly #stopIfAborted: () => void;
  #room: Buffer = Buffer.alloc(0);
  readonly #copier = new RangeCopier();

  /** @param stopIfAborted called for every blob, as a large file takes a while */
  constructor(
    index: BlobIndex,
    idKey: Uint8Array,
    metadata: MetadataSetter,
    fileSystems: FileSystems,
    dryRun: boolean,
    stopIfAborted: () => void,
  ) {
    this.#index = index;
    this.#idKey = idKey;
    this.#metadata = metadata;
    this.#fileSystems = fileSystems;
    this.#dryRun = dryRun;
    this.#stopIfAborted = stopIfAborted;
    this.#zeros = new ZeroBlobs(idKey);
  }

  /** @param directory the file's directory, opened */
  compare(directory: number, name: Buffer, file: ComparedFile, warn: Warn): Comparison {
    const content = new FileContent(file, this.#index);
    const existing = this.#open(directory, name, content, ({ type }) => type === 'file');
    try {
      const outcome = existing && this.#settle(directory, existing, content, file, warn);
      if (outcome === undefined) return this.#gather(directory, existing, content, file);
      if (!this.#dryRun && file.part !== undefined) unlinkat(directory, Buffer.from(file.part));
      return { outcome };
    } finally {
      if (existing !== undefined) closeSync(existing.handle);
    }
  }

  /** @throws VarveError `target` unless the file holds what it should */
  verify(directory: number, name: Buffer, file: ComparedFile): void {
    const content = new FileContent(file, this.#index);
    const handle = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      for (const part of content.parts()) {
        this.#stopIfAborted();
        const bytes = content.read(handle, part, this.#roomFor(part));
        if (bytes === undefined) throw new VarveError('target', 'is shorter than it should be');
        if (!this.#matches(part, bytes))
          throw new VarveError('target', `differs from the snapshot near byte ${part.stream}`);
      }
      if (!content.holesAreRight(handle, new DataMap(handle), true))
        throw new VarveError('target', 'has something where the snapshot has a hole');
      const { size } = fstat(handle);
      if (size !== content.entry.size)
        throw new VarveError('target', `is ${size > content.entry.size ? 'longer' : 'shorter'} than it should be`);
    } finally {
      closeSync(handle);
    }
  }

  /** Opens what is there and sees which blobs it holds; undefined when it is not there or of no use. */
  #open(
    directory: number,
    name: Buffer,
    content: FileContent,
    isOf: (stat: FileStat) => boolean,
  ): OpenFile | undefined {
    let handle: number | undefined;
    try {
      handle = openQuietly(directory, name);
      const stat = fstat(handle);
      if (isOf(stat)) {
        const map = new DataMap(handle);
        const kept = this.#keptBlobs(handle, stat, map, content);
        return { handle, stat, map, kept };
      }
    } catch (cause) {
      // What cannot be read is written anew.
      if (isInterrupted(cause)) {
        if (handle !== undefined) closeSync(handle);
        throw cause;
      }
    }
    if (handle !== undefined) closeSync(handle);
    return undefined;
  }

  #keptBlobs(handle: number, stat: FileStat, map: DataMap, content: FileContent): Uint8Array {
    const kept = new Uint8Array(content.count);
    const sparse = stat.blocks * 512 < stat.size;
    for (const part of content.parts()) {
      this.#stopIfAborted();
      if (sparse && isInHole(content, part, map)) {
        kept[part.number] = this.#zeros.has(part) ? 1 : 0;
        continue;
      }
      const bytes = content.read(handle, part, this.#roomFor(part));
      if (bytes !== undefined && this.#matches(part, bytes)) kept[part.number] = 1;
    }
    return kept;
  }

  /**
   * Leaves a file as it is when it is right, or with its metadata repaired. A file that has names elsewhere, or that somebody else may have
   * opened for writing, is not changed: undefined then, as for one that is not right.
   */
  #settle(
    directory: number,
    { handle, stat, map, kept }: OpenFile,
    content: FileContent,
    file: ComparedFile,
    warn: Warn,
  ): 'same' | 'updated' | undefined {
    const { entry } = content;
    const whole =
      stat.size === entry.size && !kept.includes(0) && this.#holesAreRight(directory, handle, map, content, warn);
    if (!whole || (stat.links !== 1 && stat.links !== entry.links)) return undefined;
    const xattrs = readable(() => xattrsOf(file, entry));
    // What is wrong with them is told when the file is written anew.
    if (xattrs === 'damaged') return undefined;
    const matches = this.#metadata.matches(handle, stat, entry, xattrs);
    if (matches && (entry.atime === undefined || stat.links > 1)) return 'same';
    if (stat.links > 1 || !this.#isTrusted(directory, stat, entry)) return matches ? 'same' : undefined;
    if (!this.#dryRun) this.#metadata.repair(handle, stat, entry, xattrs, warn);
    return matches ? 'same' : 'updated';
  }

  /** Where nobody can tell where the holes are, zeros will do. */
  #holesAreRight(directory: number, handle: number, map: DataMap, content: FileContent, warn: Warn): boolean {
    if (content.holesAreRight(handle, map, false)) return true;
    const fileSystem = this.#fileSystems.of(directory);
    if (fileSystem.showsHoles || !content.holesAreRight(handle, new DataMap(handle), true)) return false;
    if (!fileSystem.keepsHoles) warn('holes', HOLES_FILLED);
    return true;
  }

  /** Where the file system does not keep rights, a file is as good as one that is written again. */
  #isTrusted(directory: number, stat: FileStat, entry: EntryReader): boolean {
    return this.#metadata.isTrusted(stat, entry) || this.#fileSystems.isAsOpenAsNew(directory, stat, entry.mode);
  }

  /** Puts together in the temporary file what an earlier run left of the file and what an existing one has of it. */
  #gather(directory: number, existing: OpenFile | undefined, content: FileContent, file: ComparedFile): Comparison {
    const part = this.#openPart(directory, content, file);
    try {
      const kept = Uint8Array.from(part?.kept ?? new Uint8Array(content.count));
      const wanted =
        existing === undefined ? kept : existing.kept.map((there, number) => there & ~(kept[number] as number));
      const any = kept.includes(1) || (existing !== undefined && wanted.includes(1));
      if (this.#dryRun) {
        const either = existing === undefined ? kept : kept.map((there, number) => there | (wanted[number] as number));
        return any ? { outcome: 'partly', kept: either } : { outcome: 'different' };
      }
      if (!any) {
        if (part !== undefined) unlinkat(directory, Buffer.from(file.temporary as Uint8Array));
        return { outcome: 'different' };
      }
      if (existing !== undefined && !this.#take(directory, existing, wanted, part, content, file))
        return { outcome: 'different' };
      for (const [number, there] of wanted.entries()) if (existing !== undefined && there === 1) kept[number] = 1;
      return { outcome: 'partly', kept };
    } finally {
      if (part !== undefined) closeSync(part.handle);
    }
  }

  /** What an earlier run left, under the name that it has in this one; what is of no use is removed. */
  #openPart(directory: number, content: FileContent, file: ComparedFile): OpenFile | undefined {
    if (file.part === undefined) return undefined;
    const name = Buffer.from(file.part);
    const part = this.#open(directory, name, content, isOurPart);
    const usable = part !== undefined && content.holesAreRight(part.handle, part.map, true);
    if (part !== undefined && !usable) closeSync(part.handle);
    if (this.#dryRun) return usable ? part : undefined;
    if (!usable) {
      removeIfPossible(directory, name);
      return undefined;
    }
    try {
      renameat(directory, name, directory, Buffer.from(file.temporary as Uint8Array));
      return part;
    } catch (cause) {
      closeSync(part.handle);
      throw cause;
    }
  }

  /** Copies blobs of an existing file to the temporary one. @returns whether it worked; if not, the temporary file is gone */
  #take(
    directory: number,
    existing: OpenFile,
    wanted: Uint8Array,
    part: OpenFile | undefined,
    content: FileContent,
    file: ComparedFile,
  ): boolean {
    const temporary = Buffer.from(file.temporary as Uint8Array);
    const flags = part === undefined ? O_CREAT | O_EXCL : 0;
    const to = openat(directory, temporary, O_RDWR | O_NOFOLLOW | flags, PRIVATE);
    let taken = false;
    try {
      if (this.#isTrusted(directory, existing.stat, content.entry))
        taken = this.#copy(existing, to, wanted, content, part === undefined);
      else taken = this.#copyChecked(existing, to, wanted, content);
    } catch (cause) {
      taken = isInterrupted(cause);
      if (taken || FULL.includes(errnoCode(cause) ?? '')) throw cause;
    } finally {
      closeSync(to);
      if (!taken) unlinkat(directory, temporary);
    }
    return taken;
  }

  /** By the kernel, which may share blocks. @returns false when the file changed meanwhile, so that what was copied may be anything */
  #copy(existing: OpenFile, to: number, wanted: Uint8Array, content: FileContent, fresh: boolean): boolean {
    let start = 0;
    let end = 0;
    const flush = (): void => {
      const stretches = fresh ? existing.map.dataBetween(start, end) : [{ start, end }];
      for (const each of stretches) this.#copier.copy(existing.handle, to, each.start, each.end);
    };
    for (const part of content.parts()) {
      if (wanted[part.number] !== 1) continue;
      this.#stopIfAborted();
      for (const { file, length } of content.pieces(part.stream, part.length)) {
        if (file !== end) {
          flush();
          start = file;
        }
        end = file + length;
      }
    }
    flush();
    const { ctimeSeconds, ctimeNanoseconds } = fstat(existing.handle);
    return ctimeSeconds === existing.stat.ctimeSeconds && ctimeNanoseconds === existing.stat.ctimeNanoseconds;
  }

  /** What somebody else may be changing is compared in memory and written from there. */
  #copyChecked(existing: OpenFile, to: number, wanted: Uint8Array, content: FileContent): boolean {
    for (const part of content.parts()) {
      if (wanted[part.number] !== 1) continue;
      this.#stopIfAborted();
      const bytes = content.read(existing.handle, part, this.#roomFor(part));
      if (bytes === undefined || !this.#matches(part, bytes)) {
        wanted[part.number] = 0;
        continue;
      }
      for (const { stream, file, length } of content.pieces(part.stream, part.length))
        writeAll(to, bytes.subarray(stream - part.stream, stream - part.stream + length), file);
    }
    return true;
  }

  #matches({ id }: Part, bytes: Buffer): boolean {
    return equalBytes(blobId(this.#idKey, DATA, bytes), id);
  }

  #roomFor({ length }: Part): Buffer {
    if (this.#room.length < length) this.#room = Buffer.allocUnsafeSlow(length);
    return this.#room.subarray(0, length);
  }
}

/** Knows the ids of blobs of nothing but zeros, at little cost: only a length that comes again is looked into. */
class ZeroBlobs {
  readonly #idKey: Uint8Array;
  readonly #seen = new Set<number>();
  readonly #ids = new Map<number, Buffer>();

  constructor(idKey: Uint8Array) {
    this.#idKey = idKey;
  }

  has({ id, length }: Part): boolean {
    const known = this.#ids.get(length);
    if (known !== undefined) return known.equals(id);
    if (!this.#seen.has(length)) {
      this.#seen.add(length);
      return false;
    }
    const zero = blobId(this.#idKey, DATA, Buffer.alloc(length));
    this.#ids.set(length, zero);
    return zero.equals(id);
  }
}

function removeIfPossible(directory: number, name: Buffer): void {
  try {
    unlinkat(directory, name);
  } catch {
    // Whatever it is, it stays: names of temporary files are never used twice.
  }
}

/** For reading, without changing the time of the last access where that is allowed. */
function openQuietly(directory: number, name: Buffer): number {
  const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
  try {
    return openat(directory, name, flags | O_NOATIME);
  } catch (cause) {
    if (errnoCode(cause) !== 'EPERM') throw cause;
    return openat(directory, name, flags);
  }
}

function isInHole(content: FileContent, { stream, length }: Part, map: DataMap): boolean {
  for (const piece of content.pieces(stream, length))
    if (!map.isHole(piece.file, piece.file + piece.length)) return false;
  return length > 0;
}

function readable<T>(read: () => T): T | 'damaged' {
  try {
    return read();
  } catch {
    return 'damaged';
  }
}
