import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What a tree of files must be like after a restore. */
export interface Listed {
  /** From the top of the tree; bytes that are no UTF-8 as `\xNN`. */
  readonly path: string;
  readonly type: string;
  readonly mode: string;
  /** Seconds and nanoseconds. */
  readonly mtime: readonly [number, number];
  readonly links?: number;
  readonly size?: number;
  readonly sha256?: string;
  readonly target?: string;
}

const SLASH = Buffer.from('/');

function toText(name: Buffer): string {
  const text = name.toString();
  if (Buffer.from(text).equals(name)) return text;
  return name.toString('latin1').replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}

function typeOf(stat: BigIntStats): string {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'folder';
  if (stat.isSymbolicLink()) return 'symlink';
  return stat.isFIFO() ? 'fifo' : 'other';
}

function describe(path: Buffer, shown: Buffer): Listed {
  const stat = lstatSync(path, { bigint: true });
  const type = typeOf(stat);
  const nanoseconds = ((stat.mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const listed: Listed = {
    path: toText(shown),
    type,
    mode: (Number(stat.mode) & 0o7777).toString(8).padStart(4, '0'),
    mtime: [Number((stat.mtimeNs - nanoseconds) / 1_000_000_000n), Number(nanoseconds)],
  };
  const links = type !== 'folder' && stat.nlink > 1n ? { links: Number(stat.nlink) } : {};
  if (type === 'symlink') return { ...listed, ...links, target: toText(readlinkSync(path, 'buffer')) };
  if (type !== 'file') return { ...listed, ...links };
  const bytes = readFileSync(path);
  return { ...listed, ...links, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** Everything in a folder, in ascending byte order of names, and the folder itself when it has a name. */
export function listTree(folder: string, shown = ''): Listed[] {
  const listed: Listed[] = [];
  const visit = (path: Buffer, name: Buffer) => {
    if (name.length > 0) listed.push(describe(path, name));
    if (!lstatSync(path).isDirectory()) return;
    for (const child of readdirSync(path, { encoding: 'buffer' }).sort(Buffer.compare)) {
      visit(Buffer.concat([path, SLASH, child]), name.length > 0 ? Buffer.concat([name, SLASH, child]) : child);
    }
  };
  visit(Buffer.from(folder), Buffer.from(shown));
  return listed;
}
