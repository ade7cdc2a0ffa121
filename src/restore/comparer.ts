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
  /** One byte for each blob of the wanted content: 1 when the file holds it. */
  readonly kept: Uint8Array;
}

/** Compares wanted files with existing ones, and collects matching blobs in a temporary file. It never writes to a file under its final name. */
export class Comparer {
  readonly #index: BlobIndex;
  readonly #idKey: Uint8Array;
  readonly #metadata: MetadataSetter;
  readonly #fileSystems: FileSystems;
  readonly #dryRun: boolean;
  readonly #zeros: ZeroBlobs;
  readonly #stopIfAborted: () => void;
  #buffer: Buffer = Buffer.alloc(0);
  readonly #copier = new RangeCopier();

  /** @param stopIfAborted called for every blob, because a large file takes long */
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

  /** @param directory descriptor of the file's directory */
  compare(directory: number, name: Buffer, file: ComparedFile, warn: Warn): Comparison {
    const content = new FileContent(file, this.#index);
    const existing = this.#open(directory, name, content, ({ type }) => type === 'file');
    try {
      const outcome = existing && this.#keepIfRight(directory, existing, content, file, warn);
      if (outcome === undefined) return this.#gather(directory, existing, content, file);
      if (!this.#dryRun && file.part !== undefined) unlinkat(directory, Buffer.from(file.part));
      return { outcome };
    } finally {
      if (existing !== undefined) closeSync(existing.handle);
    }
  }

  /** @throws VarveError `target` unless the file matches the snapshot */
  verify(directory: number, name: Buffer, file: ComparedFile): void {
    const content = new FileContent(file, this.#index);
    const handle = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      for (const part of content.parts()) {
        this.#stopIfAborted();
        const bytes = content.read(handle, part, this.#bufferFor(part));
        if (bytes === undefined) throw new VarveError('target', 'is shorter than it should be');
        if (!this.#matches(part, bytes))
          throw new VarveError('target', `differs from the snapshot near byte ${part.stream}`);
      }
      if (!content.holesAreRight(handle, new DataMap(handle), true))
        throw new VarveError('target', 'has data where the snapshot has a hole');
      const { size } = fstat(handle);
      if (size !== content.entry.size)
        throw new VarveError('target', `is ${size > content.entry.size ? 'longer' : 'shorter'} than it should be`);
    } finally {
      closeSync(handle);
    }
  }

  /** Opens an existing file and finds out which blobs it holds. @returns undefined when there is none, or it cannot be used */
  #open(
    directory: number,
    name: Buffer,
    content: FileContent,
    isOf: (stat: FileStat) => boolean,
  ): OpenFile | undefined {
    let handle: number | undefined;
    try {
      handle = openWithoutAtime(directory, name);
      const stat = fstat(handle);
      if (isOf(stat)) {
        const map = new DataMap(handle);
        const kept = this.#keptBlobs(handle, stat, map, content);
        return { handle, stat, map, kept };
      }
    } catch (cause) {
      // A file that cannot be read is written again.
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
      const bytes = content.read(handle, part, this.#bufferFor(part));
      if (bytes !== undefined && this.#matches(part, bytes)) kept[part.number] = 1;
    }
    return kept;
  }

  /**
   * Keeps an existing file whose content is right, after correcting its metadata.
   *
   * @returns undefined when the content is wrong; or when only the metadata are, but the file has other names, or another process may have it
   * open for writing
   */
  #keepIfRight(
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
    // Writing the file again reports the damage.
    if (xattrs === 'damaged') return undefined;
    const matches = this.#metadata.matches(handle, stat, entry, xattrs);
    if (matches && (entry.atime === undefined || stat.links > 1)) return 'same';
    if (stat.links > 1 || !this.#isTrusted(directory, stat, entry)) return matches ? 'same' : undefined;
    if (!this.#dryRun) this.#metadata.repair(handle, stat, entry, xattrs, warn);
    return matches ? 'same' : 'updated';
  }

  /** Zeros count as holes where the file system does not show holes. */
  #holesAreRight(directory: number, handle: number, map: DataMap, content: FileContent, warn: Warn): boolean {
    if (content.holesAreRight(handle, map, false)) return true;
    const fileSystem = this.#fileSystems.of(directory);
    if (fileSystem.showsHoles || !content.holesAreRight(handle, new DataMap(handle), true)) return false;
    if (!fileSystem.keepsHoles) warn('holes', HOLES_FILLED);
    return true;
  }

  /** Where the file system keeps no permissions, a new file would be open to the same users. */
  #isTrusted(directory: number, stat: FileStat, entry: EntryReader): boolean {
    return this.#metadata.isTrusted(stat, entry) || this.#fileSystems.isAsOpenAsNew(directory, stat, entry.mode);
  }

  /** Collects in the temporary file the blobs of an earlier run's part and of the existing file. */
  #gather(directory: number, existing: OpenFile | undefined, content: FileContent, file: ComparedFile): Comparison {
    const part = this.#openPart(directory, content, file);
    try {
      const kept = Uint8Array.from(part?.kept ?? new Uint8Array(content.count));
      const wanted =
        existing === undefined ? kept : existing.kept.map((held, number) => held & ~(kept[number] as number));
      const any = kept.includes(1) || (existing !== undefined && wanted.includes(1));
      if (this.#dryRun) {
        const either = existing === undefined ? kept : kept.map((held, number) => held | (wanted[number] as number));
        return any ? { outcome: 'partly', kept: either } : { outcome: 'different' };
      }
      if (!any) {
        if (part !== undefined) unlinkat(directory, Buffer.from(file.temporary as Uint8Array));
        return { outcome: 'different' };
      }
      if (existing !== undefined && !this.#copyBlobs(directory, existing, wanted, part, content, file))
        return { outcome: 'different' };
      for (const [number, copied] of wanted.entries()) if (existing !== undefined && copied === 1) kept[number] = 1;
      return { outcome: 'partly', kept };
    } finally {
      if (part !== undefined) closeSync(part.handle);
    }
  }

  /** Opens the part that an earlier run left, and renames it for this run. Removes it when it cannot be used. */
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

  /** Copies blobs of an existing file to the temporary one. @returns false after a failure; the temporary file is removed then */
  #copyBlobs(
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

  /** Copies in the kernel, which may share blocks. @returns false when the file changed during the copy, so that the bytes are unknown */
  #copy(existing: OpenFile, to: number, wanted: Uint8Array, content: FileContent, fresh: boolean): boolean {
    let start = 0;
    let end = 0;
    const flush = (): void => {
      const ranges = fresh ? existing.map.dataBetween(start, end) : [{ start, end }];
      for (const each of ranges) this.#copier.copy(existing.handle, to, each.start, each.end);
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

  /** Reads, compares and writes each blob in memory, because another process may be changing the file. */
  #copyChecked(existing: OpenFile, to: number, wanted: Uint8Array, content: FileContent): boolean {
    for (const part of content.parts()) {
      if (wanted[part.number] !== 1) continue;
      this.#stopIfAborted();
      const bytes = content.read(existing.handle, part, this.#bufferFor(part));
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

  #bufferFor({ length }: Part): Buffer {
    if (this.#buffer.length < length) this.#buffer = Buffer.allocUnsafeSlow(length);
    return this.#buffer.subarray(0, length);
  }
}

/** Recognizes blobs of zeros by their id. It computes the id for a length only when that length comes a second time. */
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
    // It stays, without harm: names of temporary files are never used twice.
  }
}

/** Opens for reading, without changing the access time where that is allowed. */
function openWithoutAtime(directory: number, name: Buffer): number {
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
