import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { runPython } from './python.js';
import { ACL } from './sample.js';

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
  /** Whether it takes less room than it has bytes. */
  readonly sparse?: true;
  /** Names and values, in order of name; values in hexadecimal. */
  readonly xattrs?: readonly (readonly [string, string])[];
}

/** What a file system can keep. */
export interface Abilities {
  readonly holes: boolean;
  readonly xattrs: boolean;
  readonly acls: boolean;
}

/** Bytes by which the room for a file may be another than its length. */
const ALLOCATED_AHEAD = 65_536n;
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
  const sparse = stat.blocks * 512n + ALLOCATED_AHEAD < stat.size ? { sparse: true as const } : {};
  return {
    ...listed,
    ...links,
    size: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    ...sparse,
  };
}

/** Everything in a directory, in ascending byte order of names, and the directory itself when it has a name. */
export function listTree(directory: string, shown = ''): Listed[] {
  const listed: Listed[] = [];
  const visit = (path: Buffer, name: Buffer) => {
    if (name.length > 0) listed.push(describe(path, name));
    if (!lstatSync(path).isDirectory()) return;
    for (const child of readdirSync(path, { encoding: 'buffer' }).sort(Buffer.compare)) {
      visit(Buffer.concat([path, SLASH, child]), name.length > 0 ? Buffer.concat([name, SLASH, child]) : child);
    }
  };
  visit(Buffer.from(directory), Buffer.from(shown));
  return listed;
}

/** The same with extended attributes, as Python reads them: what writes them is not to be asked. */
export function listWithXattrs(directory: string, shown = ''): Listed[] {
  const found = JSON.parse(runPython(WALK, directory)) as Record<string, readonly (readonly [string, string])[]>;
  const top = shown === '' ? '' : `${shown}/`;
  const xattrs = new Map<string, readonly (readonly [string, string])[]>();
  for (const [path, values] of Object.entries(found)) {
    const below = toText(Buffer.from(path, 'hex'));
    xattrs.set(below === '.' ? shown : top + below, values);
  }
  return listTree(directory, shown).map((each) => {
    const values = xattrs.get(each.path);
    return values === undefined ? each : { ...each, xattrs: values };
  });
}

/** By path, in hexadecimal. Labels of security modules are not a file's own. */
const WALK = `
import json, os, sys
top, found = os.fsencode(sys.argv[1]), {}
def look(path):
    names = [name for name in os.listxattr(path, follow_symlinks=False) if not name.startswith("security.")]
    if names:
        found[os.path.relpath(path, top).hex()] = [(name, os.getxattr(path, name, follow_symlinks=False).hex()) for name in sorted(names)]
look(top)
for folder, folders, files in os.walk(top):
    for name in folders + files:
        look(os.path.join(folder, name))
print(json.dumps(found))
`;

/** What the file system of a directory keeps, tried with a file in it. */
export function abilitiesOf(directory: string): Abilities {
  const [holes, xattrs, acls] = JSON.parse(runPython(TRY, directory)) as [boolean, boolean, boolean];
  return { holes, xattrs, acls };
}

const TRY = `
import json, os, sys
path = os.path.join(sys.argv[1], ".abilities")
def can(name, value):
    try:
        os.setxattr(path, name, bytes.fromhex(value))
        return True
    except OSError:
        return False
with open(path, "wb") as file:
    file.truncate(2**22)
    os.fsync(file.fileno())
    able = [os.fstat(file.fileno()).st_blocks * 512 < 2**21]
able += [can("user.comment", "00" * 3000), can("system.posix_acl_access", "${ACL}")]
os.unlink(path)
print(json.dumps(able))
`;

/** A listing as it is where the file system cannot keep all of it. */
export function within({ holes, xattrs, acls }: Abilities, listing: readonly Listed[]): Listed[] {
  return listing.map(({ sparse, xattrs: all = [], ...rest }) => {
    const kept = all.filter(([name]) => (name.startsWith('system.') ? acls : xattrs));
    return { ...rest, ...(sparse && holes && { sparse }), ...(kept.length > 0 && { xattrs: kept }) };
  });
}
