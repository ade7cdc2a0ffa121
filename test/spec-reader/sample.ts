import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { AT_FDCWD } from '../../src/filesystem/posix.js';
import { setXattr } from '../../src/filesystem/xattrs.js';
import type { Abilities } from './listing.js';

const WORDS = 'a backup is only as good as the restore that somebody has tried on another machine'.split(' ');

/** Bytes that look random and are always the same. */
export function noise(seed: string, length: number): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i * 32 < length; i++) parts.push(createHash('sha256').update(`${seed} ${i}`).digest());
  return Buffer.concat(parts).subarray(0, length);
}

/** Text that is never the same for long, and compresses well. */
export function prose(seed: string, length: number): string {
  const parts: string[] = [];
  let total = 0;
  for (const byte of noise(seed, length)) {
    if (total >= length) break;
    const word = `${WORDS[byte % WORDS.length]}${byte > 248 ? '.\n' : ' '}`;
    parts.push(word);
    total += word.length;
  }
  return parts.join('').slice(0, length);
}

/** An ACL in Linux' form: the owner may read and write, user 1234 and the group read. */
export const ACL = '0200000001000600ffffffff02000400d204000004000400ffffffff10000400ffffffff20000000ffffffff';

function setAttribute(path: string, name: string, value: Buffer | string): void {
  setXattr({ directory: AT_FDCWD, name: Buffer.from(path) }, { name: Buffer.from(name), value: Buffer.from(value) });
}

/** A file of this length with bytes at some places, and holes between. */
function writeSparse(path: string, size: number, data: Readonly<Record<number, Buffer>>): void {
  const file = openSync(path, 'w');
  for (const [at, bytes] of Object.entries(data)) writeSync(file, bytes, 0, bytes.length, Number(at));
  ftruncateSync(file, size);
  closeSync(file);
}

function touch(path: string, time: string): void {
  execFileSync('touch', ['--no-dereference', '--date', time, path]);
}

/** Times of its own for everything: links and files one after another, then directories. */
function touchAll(directory: string, start: number): void {
  let next = start;
  const visit = (path: string) => {
    for (const child of readdirSync(path, { withFileTypes: true })) {
      if (child.isDirectory()) visit(join(path, child.name));
      // What touch cannot be told by name keeps the time that it has.
      else if (!child.name.includes('\ufffd')) touch(join(path, child.name), `@${next++}.123456789`);
    }
    touch(path, `@${next++}.987654321`);
  };
  visit(directory);
}

/** So many that the list of them does not fit into an entry. */
const SCATTERED = Array.from({ length: 500 }, (_, i) => [i * 16_384 + 8192, Buffer.alloc(4096, `${i} `)] as const);

/** What the first snapshot holds. */
export function writeFirst(directory: string): void {
  const file = (name: string, content: string | Buffer, mode = 0o644) => {
    writeFileSync(join(directory, name), content);
    chmodSync(join(directory, name), mode);
  };
  for (const name of ['', 'books', 'books/long', 'pictures', 'scripts', 'empty folder']) {
    mkdirSync(join(directory, name));
    chmodSync(join(directory, name), 0o755);
  }
  file('books/a letter.txt', 'Dear reader,\n\nif you can read this, SPEC.md is enough.\n');
  file('books/long/novel.txt', prose('novel', 1_400_000));
  file('books/poem.txt', prose('poem', 900), 0o640);
  file('books/grüße.txt', 'Ein Name außerhalb von ASCII.\n');
  file('empty file', '');
  file('pictures/noise.raw', noise('noise', 200_000), 0o600);
  file('scripts/run', '#!/bin/sh\nexec true\n', 0o755);
  file('scripts/set-user-id', 'no program\n', 0o4755);
  writeFileSync(
    Buffer.concat([Buffer.from(`${directory}/pictures/caf`), Buffer.from([0xe9]), Buffer.from('.txt')]),
    'é\n',
  );
  symlinkSync('books/a letter.txt', join(directory, 'link to a letter'));
  symlinkSync('../nowhere', join(directory, 'pictures/dangling'));
  linkSync(join(directory, 'books/poem.txt'), join(directory, 'pictures/poem again.txt'));
  linkSync(join(directory, 'books/poem.txt'), join(directory, 'the poem'));
  execFileSync('mkfifo', ['--mode=0620', join(directory, 'scripts/pipe')]);
  chmodSync(join(directory, 'empty folder'), 0o1777);
  const image = { 131072: noise('image', 65_536), 524288: noise('more of the image', 100_000) };
  writeSparse(join(directory, 'pictures/image of a disk'), 1_048_699, image);
  writeSparse(join(directory, 'pictures/nothing but a hole'), 300_000, {});
  writeSparse(join(directory, 'pictures/many holes'), 8_388_608, Object.fromEntries(SCATTERED));
  setAttribute(join(directory, 'books/poem.txt'), 'user.author', 'unknown');
  setAttribute(join(directory, 'books/poem.txt'), 'user.empty', '');
  setAttribute(join(directory, 'pictures/noise.raw'), 'user.binary', Buffer.from([0, 1, 0xff, 0x0a, 0x3d]));
  setAttribute(join(directory, 'pictures/noise.raw'), 'user.preview', noise('preview', 3000));
  setAttribute(join(directory, 'books'), 'user.comment', 'a folder has attributes, too');
  setAttribute(join(directory, 'scripts/run'), 'system.posix_acl_access', Buffer.from(ACL, 'hex'));
  setAttribute(join(directory, 'pictures'), 'system.posix_acl_default', Buffer.from(ACL, 'hex'));
  touchAll(directory, 1_700_000_000);
  touch(join(directory, 'pictures/noise.raw'), '1969-07-20T20:17:40.000000001Z');
  touch(join(directory, 'pictures/dangling'), '1901-12-14T00:00:00.5Z');
  touch(join(directory, 'empty file'), '1969-12-31T23:59:59.999999999Z');
  touch(join(directory, 'books'), '2037-12-31T23:59:59.25Z');
}

/** What has changed until the second. */
export function change(directory: string): void {
  writeFileSync(join(directory, 'books/a letter.txt'), 'Dear reader,\n\nthis is the second letter.\n');
  const novel = prose('novel', 1_400_000);
  writeFileSync(
    join(directory, 'books/long/novel.txt'),
    `${novel.slice(0, 600_000)}[a page is gone]${novel.slice(604_000)}`,
  );
  unlinkSync(join(directory, 'the poem'));
  rmSync(join(directory, 'empty folder'), { recursive: true });
  mkdirSync(join(directory, 'new', 'deep', 'deeper'), { recursive: true });
  writeFileSync(join(directory, 'new/deep/deeper/file'), 'deep down\n');
  chmodSync(join(directory, 'scripts/run'), 0o700);
  for (const name of [
    'books/a letter.txt',
    'books/long/novel.txt',
    'new/deep/deeper/file',
    'new/deep/deeper',
    'new/deep',
  ])
    touch(join(directory, name), '2024-02-29T12:00:00.000000042Z');
}

/** A directory of random content: names, sizes and depths are anybody's guess, and one file is cut into very many chunks. */
export function writeRandom(directory: string, seed: string, able: Abilities): void {
  const random = noise(seed, 4096);
  let at = 0;
  const next = (below: number) => {
    at = (at + 2) % 4000;
    return random.readUInt16LE(at) % below;
  };
  const fill = (path: string, depth: number) => {
    mkdirSync(path);
    const files = next(8);
    for (let i = 0; i < files; i++) {
      const size = [0, 1, next(100), next(5000), next(60_000)][next(5)] ?? 0;
      const content = next(2) === 0 ? noise(`${path} ${i}`, size) : prose(`${path} ${i}`, size);
      const name = join(path, `${'n'.repeat(next(200) + 1)}${i}`);
      writeFileSync(name, content);
      chmodSync(name, 0o400 | next(0o7777));
      if (next(4) === 0) linkSync(name, `${name}-`);
    }
    if (depth < 6) for (let i = 0; i < next(4); i++) fill(join(path, `folder ${i}`), depth + 1);
  };
  fill(directory, 0);
  writeFileSync(join(directory, 'many chunks'), noise(seed, 1_500_000));
  mkdirSync(join(directory, 'many files'));
  for (let i = 0; i < 3000; i++) writeFileSync(join(directory, 'many files', `${i}`), `${i}`);
  for (let i = 0; i < 10; i++) {
    const name = join(directory, 'many files', `${i}`);
    const runs = Array.from({ length: next(5) }, () => [next(20) * 65_536, noise(`${seed} ${i}`, next(9000))] as const);
    if (able.holes) writeSparse(name, 21 * 65_536 + next(5000), Object.fromEntries(runs));
    for (let number = next(4); able.xattrs && number > 0; number--)
      setAttribute(name, `user.${'n'.repeat(next(200))}${number}`, noise(name, next(700)));
  }
  touchRandomly(directory);
}

/** A random time for each at the top. */
function touchRandomly(directory: string): void {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    const seconds = noise(path, 4).readInt32LE(0);
    if (lstatSync(path).isFile()) touch(path, `@${seconds}.${noise(path, 1).readUInt8(0)}`);
  }
}
