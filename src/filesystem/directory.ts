import { Buffer } from 'node:buffer';
import { closeSync, readdirSync } from 'node:fs';
import { compareBytes } from '../bytes/views.js';
import { libc, systemError } from './libc.js';
import { AT_FDCWD, openDirectoryAt, pathAt, readlinkat } from './posix.js';
import { type FileStat, lstat } from './stat.js';

/** Bytes of names that the kernel is asked for at a time. */
const NAMES_BYTES = 32 * 1024;
/** struct linux_dirent64: the record's length, and where its name begins. */
const RECORD_LENGTH = 16;
const NAME = 19;
const DOT = 0x2e;
const HERE = Buffer.from('.');
const SLASH = Buffer.from('/');

/** A name below a folder. */
export function joinPath(folder: Buffer, name: Buffer): Buffer {
  return folder.length === 1 ? Buffer.concat([folder, name]) : Buffer.concat([folder, SLASH, name]);
}

/** A folder that is open, so that what is in it is reached by its name alone and not by a path that may change meanwhile. */
export class Directory {
  readonly path: Buffer;
  readonly #descriptor: number;

  private constructor(path: Buffer, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
  }

  /** Opens a folder, but not through a link that stands for it. */
  static open(path: Buffer): Directory {
    return new Directory(path, libc() === undefined ? AT_FDCWD : openDirectoryAt(AT_FDCWD, path));
  }

  /** A folder whose names are known already, and which may be one that cannot be listed. */
  static unopened(path: Buffer): Directory {
    return new Directory(path, AT_FDCWD);
  }

  /** The names in it, in byte order. To be called once. */
  names(): Buffer[] {
    const names = this.#descriptor === AT_FDCWD ? readNames(this.path) : listNames(this.#descriptor);
    return names.sort(compareBytes);
  }

  lstat(name: Buffer): FileStat {
    return this.#descriptor === AT_FDCWD ? lstat(joinPath(this.path, name)) : lstat(name, this.#descriptor);
  }

  readlink(name: Buffer): Buffer {
    return this.#descriptor === AT_FDCWD
      ? readlinkat(AT_FDCWD, joinPath(this.path, name))
      : readlinkat(this.#descriptor, name);
  }

  close(): void {
    if (this.#descriptor !== AT_FDCWD) closeSync(this.#descriptor);
  }
}

/** The names in the folder that a descriptor stands for, in no order. */
export function namesAt(directory: number): Buffer[] {
  if (libc() === undefined) return readNames(pathAt(directory, HERE));
  const descriptor = openDirectoryAt(directory, HERE);
  try {
    return listNames(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const readNames = (path: Buffer): Buffer[] => readdirSync(path, { encoding: 'buffer' });

const area = Buffer.alloc(NAMES_BYTES);

/** The kernel's own answer: `fs` makes several objects of each name, which took a fifth of the time of looking at a folder. */
function listNames(descriptor: number): Buffer[] {
  const names: Buffer[] = [];
  const c = libc();
  if (c?.getdents64 === undefined) return readNames(pathAt(descriptor, HERE));
  for (;;) {
    const length = c.getdents64(descriptor, area, NAMES_BYTES);
    if (length < 0) throw systemError(c.errno(), 'getdents64');
    if (length === 0) return names;
    addNames(names, Buffer.from(area.subarray(0, length)));
  }
}

function addNames(names: Buffer[], records: Buffer): void {
  for (let at = 0; at < records.length; at += records.readUInt16LE(at + RECORD_LENGTH)) {
    const start = at + NAME;
    let end = start;
    while (records[end] !== 0) end++;
    if (!isDots(records, start, end - start)) names.push(records.subarray(start, end));
  }
}

function isDots(bytes: Buffer, start: number, length: number): boolean {
  if (bytes[start] !== DOT || length > 2) return false;
  return length === 1 || bytes[start + 1] === DOT;
}
