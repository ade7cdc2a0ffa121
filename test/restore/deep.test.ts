import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ContentRef } from '../../src/format/content.js';
import { MAX_DEPTH } from '../../src/format/limits.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { Forge } from './crafted.js';

const scratch = scratchDirectory();
const sandbox = await Sandbox.create(join(scratch, 'box'));
const OWNER = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

/** Directories in directories, a file and a link to the first file in each. */
async function tower(depth: number, name: string): Promise<ContentRef> {
  const forge = new Forge(await sandbox.open());
  const linked = { content: forge.content(Buffer.from('linked')), inode: 7, device: 1, links: depth + 1, ...OWNER };
  let content: ContentRef | undefined;
  for (let level = depth; level >= 0; level--) {
    const file = { name: Buffer.from('a file'), content: forge.content(Buffer.from(`level ${level}`)), ...OWNER };
    const below = content && [{ name: Buffer.from(name), type: 'directory' as const, content, mode: 0o700, ...OWNER }];
    content = forge.directory(file, { name: Buffer.from('a link'), ...linked }, ...(below ?? []));
  }
  await forge.finish();
  return content as ContentRef;
}

/** Paths that are too long for the kernel are gone through by a program that goes step by step. */
function count(directory: string, ...expression: string[]): number | undefined {
  const { status, stdout, error } = spawnSync('find', ['.', ...expression, '-printf', 'x'], {
    cwd: directory,
    encoding: 'utf8',
  });
  return error === undefined && status === 0 ? stdout.length : undefined;
}

for (const [depth, name] of [
  [MAX_DEPTH - 1, 'd'],
  [60, 'd'.repeat(250)],
] as const) {
  test(`restore handles ${depth} nested directories with names of ${name.length} bytes, also again`, {
    timeout: 120_000,
  }, async (t) => {
    const root = await tower(depth, name);
    const { target, progress, events } = await sandbox.restore(root, { verify: true });
    assert.deepEqual(events, []);
    assert.equal(progress.filesRestored, 2 * (depth + 1));
    const again = await sandbox.restore(root, { target });
    assert.deepEqual(again.events, []);
    assert.equal(again.progress.filesSkipped, 2 * (depth + 1));
    const directories = count(target, '-type', 'd');
    if (directories === undefined) return t.diagnostic('no program to count them with');
    assert.equal(directories, depth + 1);
    assert.equal(count(target, '-name', 'a file', '-size', '-20c'), depth + 1);
    assert.equal(count(target, '-name', 'a link', '-links', String(depth + 1)), depth + 1);
    return undefined;
  });
}
