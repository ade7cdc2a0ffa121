import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';

const SLASH = Buffer.from('/');
const BLOCK = Buffer.alloc(1 << 20);

/** All that a backup keeps of a tree, a line for each path: compared, it shows the first difference. */
export function treeImage(directory: string | Buffer): string[] {
  const lines: string[] = [];
  const links = new Map<string, string>();
  walk(Buffer.from(directory), '', lines, links);
  return lines;
}

function walk(path: Buffer, below: string, lines: string[], links: Map<string, string>): void {
  const names = readdirSync(path, { encoding: 'buffer' }).sort(Buffer.compare);
  for (const name of names) {
    const child = Buffer.concat([path, SLASH, name]);
    const relative = `${below}/${name.toString('latin1')}`;
    const stat = lstatSync(child, { bigint: true });
    const kind = Number(stat.mode >> 12n);
    const fields = [relative, stat.mode.toString(8), stat.uid, stat.gid, stat.mtimeNs];
    if (stat.isFile()) fields.push(stat.size, digest(child));
    if (stat.isSymbolicLink()) fields.push(readlinkSync(child, { encoding: 'buffer' }).toString('latin1'));
    if (kind === 2 || kind === 6) fields.push(stat.rdev);
    if (!stat.isDirectory() && stat.nlink > 1n) {
      const key = `${stat.dev}:${stat.ino}`;
      const first = links.get(key);
      if (first === undefined) links.set(key, relative);
      fields.push(`= ${first ?? relative}`);
    }
    lines.push(fields.join(' '));
    if (stat.isDirectory()) walk(child, relative, lines, links);
  }
}

function digest(path: Buffer): string {
  const hash = createHash('sha256');
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const count = readSync(file, BLOCK, 0, BLOCK.length, null);
      if (count === 0) return hash.digest('hex').slice(0, 16);
      hash.update(BLOCK.subarray(0, count));
    }
  } finally {
    closeSync(file);
  }
}

export function assertSameTree(found: string, wanted: string | readonly string[]): void {
  const image = treeImage(found);
  assert.deepEqual(image, typeof wanted === 'string' ? treeImage(wanted) : wanted);
}
