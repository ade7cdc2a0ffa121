// Makes and compares symbolic links, devices, FIFOs and sockets.
// Their metadata are set in metadata.ts.
import { Buffer } from 'node:buffer';
import { errnoCode, systemReason, VarveError } from '../errors/errors.js';
import { mknodat, symlinkat } from '../filesystem/posix.js';
import { type FileStat, makeDevice } from '../filesystem/stat.js';
import type { EntryReader } from '../format/entry-reader.js';

/** The kernel's limits: it would silently truncate larger numbers. */
const [MAX_MAJOR, MAX_MINOR] = [0xfff, 0xfffff];
const PRIVATE = 0o600;
/** Error codes of file systems without such files; EIO comes from exfat-fuse. */
const UNSUPPORTED = ['EPERM', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP', 'EIO', 'EINVAL'];
const S_IFMT_OF: Partial<Record<string, number>> = {
  fifo: 0o010000,
  character: 0o020000,
  block: 0o060000,
  socket: 0o140000,
};

/** Whether an existing file has the entry's type and, for a device, its number. */
export function isSameSpecial(stat: FileStat, entry: EntryReader): boolean {
  if (stat.type !== entry.type) return false;
  if (stat.type !== 'character' && stat.type !== 'block') return true;
  return stat.rdevMajor === entry.rdev?.[0] && stat.rdevMinor === entry.rdev[1];
}

/** Makes a symbolic link, a device, a FIFO or a socket. @throws VarveError `target` when it cannot be made */
export function makeSpecial(entry: EntryReader, directory: number, name: Buffer): void {
  try {
    if (entry.type === 'symlink') symlinkat(Buffer.from(entry.target as Buffer), directory, name);
    else makeNode(entry, directory, name);
  } catch (cause) {
    const reason = cause instanceof VarveError ? undefined : reasonOf(entry, cause);
    throw reason === undefined ? cause : new VarveError('target', reason, { cause });
  }
}

function makeNode({ type, rdev }: EntryReader, directory: number, name: Buffer): void {
  const format = S_IFMT_OF[type];
  if (format === undefined) throw new VarveError('internal', `cannot make a ${type}`);
  const [major, minor] = rdev ?? [0, 0];
  if (major < 0 || major > MAX_MAJOR || minor > MAX_MINOR)
    throw new VarveError('target', `is a device with the number ${major}:${minor}, which Linux does not support`);
  mknodat(directory, name, format | PRIVATE, makeDevice(major, minor));
}

/** Why it cannot be made, if its type is the reason. */
function reasonOf({ type }: EntryReader, cause: unknown): string | undefined {
  const code = errnoCode(cause) ?? '';
  const isDevice = type === 'character' || type === 'block';
  if (isDevice && code === 'EPERM' && process.geteuid?.() !== 0)
    return 'is a device, and only root can make devices; --no-special leaves them out';
  if (!UNSUPPORTED.includes(code) || (type === 'symlink' && code === 'EIO')) return undefined;
  if (type === 'symlink') return "is a symbolic link, which the target's file system does not support";
  const kind = type === 'fifo' ? 'FIFO' : isDevice ? 'device' : type;
  return `is a ${kind}, which cannot be made in the target (${systemReason(cause)}); --no-special leaves such files out`;
}
