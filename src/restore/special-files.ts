import { Buffer } from 'node:buffer';
import { VarveError } from '../errors/errors.js';
import { mknodat, symlinkat } from '../filesystem/posix.js';
import { type FileStat, makeDevice } from '../filesystem/stat.js';
import type { EntryReader } from '../format/entry-reader.js';

/** The kernel's limits: of larger numbers it would take a part. */
const [MAX_MAJOR, MAX_MINOR] = [0xfff, 0xfffff];
const PRIVATE = 0o600;
const S_IFMT_OF: Partial<Record<string, number>> = {
  fifo: 0o010000,
  character: 0o020000,
  block: 0o060000,
  socket: 0o140000,
};

/** Whether what is there is of the entry's kind and, if that is a device, of its number. */
export function isSameSpecial(stat: FileStat, entry: EntryReader): boolean {
  if (stat.type !== entry.type) return false;
  if (stat.type !== 'character' && stat.type !== 'block') return true;
  return stat.rdevMajor === entry.rdev?.[0] && stat.rdevMinor === entry.rdev[1];
}

/** Makes a link, a device, a FIFO or a socket. */
export function makeSpecial(entry: EntryReader, directory: number, name: Buffer): void {
  if (entry.type === 'symlink') return symlinkat(Buffer.from(entry.target as Buffer), directory, name);
  const format = S_IFMT_OF[entry.type];
  if (format === undefined) throw new VarveError('internal', `cannot make a ${entry.type}`);
  const [major, minor] = entry.rdev ?? [0, 0];
  if (major < 0 || major > MAX_MAJOR || minor > MAX_MINOR)
    throw new VarveError('target', `is a device of numbers that no Linux has: ${major}:${minor}`);
  mknodat(directory, name, format | PRIVATE, makeDevice(major, minor));
}
