import { Buffer } from 'node:buffer';
import { errnoCode, systemReason, VarveError } from '../errors/errors.js';
import { mknodat, symlinkat } from '../filesystem/posix.js';
import { type FileStat, makeDevice } from '../filesystem/stat.js';
import type { EntryReader } from '../format/entry-reader.js';

/** The kernel's limits: of larger numbers it would take a part. */
const [MAX_MAJOR, MAX_MINOR] = [0xfff, 0xfffff];
const PRIVATE = 0o600;
/** What file systems without such files fail with: exfat-fuse with EIO. */
const UNSUPPORTED = ['EPERM', 'ENOSYS', 'EOPNOTSUPP', 'ENOTSUP', 'EIO', 'EINVAL'];
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

/** Makes a link, a device, a FIFO or a socket. @throws VarveError `target` when it cannot be made */
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
    throw new VarveError('target', `is a device of numbers that no Linux has: ${major}:${minor}`);
  mknodat(directory, name, format | PRIVATE, makeDevice(major, minor));
}

/** Why it cannot be made, where that lies with its kind. */
function reasonOf({ type }: EntryReader, cause: unknown): string | undefined {
  const code = errnoCode(cause) ?? '';
  const isDevice = type === 'character' || type === 'block';
  if (isDevice && code === 'EPERM' && process.geteuid?.() !== 0)
    return 'is a device, and only root can make devices; --no-special leaves them out';
  if (!UNSUPPORTED.includes(code) || (type === 'symlink' && code === 'EIO')) return undefined;
  if (type === 'symlink') return "is a symbolic link, which the target's file system does not take";
  const kind = type === 'fifo' ? 'FIFO' : isDevice ? 'device' : type;
  return `is a ${kind}, which cannot be made there (${systemReason(cause)}); --no-special leaves such files out`;
}
