import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

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

function touch(path: string, time: string): void {
  execFileSync('touch', ['--no-dereference', '--date', time, path]);
}

/** Times of its own for everything: links and files one after another, then folders. */
function touchAll(folder: string, start: number): void {
  let next = start;
  const visit = (path: string) => {
    for (const child of readdirSync(path, { withFileTypes: true })) {
      if (child.isDirectory()) visit(join(path, child.name));
      // What touch cannot be told by name keeps the time that it has.
      else if (!child.name.includes('\ufffd')) touch(join(path, child.name), `@${next++}.123456789`);
    }
    touch(path, `@${next++}.987654321`);
  };
  visit(folder);
}

/** What the first snapshot holds. */
export function writeFirst(folder: string): void {
  const file = (name: string, content: string | Buffer, mode = 0o644) => {
    writeFileSync(join(folder, name), content);
    chmodSync(join(folder, name), mode);
  };
  for (const name of ['', 'books', 'books/long', 'pictures', 'scripts', 'empty folder']) {
    mkdirSync(join(folder, name));
    chmodSync(join(folder, name), 0o755);
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
    Buffer.concat([Buffer.from(`${folder}/pictures/caf`), Buffer.from([0xe9]), Buffer.from('.txt')]),
    'é\n',
  );
  symlinkSync('books/a letter.txt', join(folder, 'link to a letter'));
  symlinkSync('../nowhere', join(folder, 'pictures/dangling'));
  linkSync(join(folder, 'books/poem.txt'), join(folder, 'pictures/poem again.txt'));
  linkSync(join(folder, 'books/poem.txt'), join(folder, 'the poem'));
  execFileSync('mkfifo', ['--mode=0620', join(folder, 'scripts/pipe')]);
  chmodSync(join(folder, 'empty folder'), 0o1777);
  touchAll(folder, 1_700_000_000);
  touch(join(folder, 'pictures/noise.raw'), '1969-07-20T20:17:40.000000001Z');
  touch(join(folder, 'pictures/dangling'), '1901-12-14T00:00:00.5Z');
  touch(join(folder, 'empty file'), '1969-12-31T23:59:59.999999999Z');
  touch(join(folder, 'books'), '2037-12-31T23:59:59.25Z');
}

/** What has changed until the second. */
export function change(folder: string): void {
  writeFileSync(join(folder, 'books/a letter.txt'), 'Dear reader,\n\nthis is the second letter.\n');
  const novel = prose('novel', 1_400_000);
  writeFileSync(
    join(folder, 'books/long/novel.txt'),
    `${novel.slice(0, 600_000)}[a page is gone]${novel.slice(604_000)}`,
  );
  unlinkSync(join(folder, 'the poem'));
  rmSync(join(folder, 'empty folder'), { recursive: true });
  mkdirSync(join(folder, 'new', 'deep', 'deeper'), { recursive: true });
  writeFileSync(join(folder, 'new/deep/deeper/file'), 'deep down\n');
  chmodSync(join(folder, 'scripts/run'), 0o700);
  for (const name of [
    'books/a letter.txt',
    'books/long/novel.txt',
    'new/deep/deeper/file',
    'new/deep/deeper',
    'new/deep',
  ])
    touch(join(folder, name), '2024-02-29T12:00:00.000000042Z');
}

/** A folder of random content: names, sizes and depths are anybody's guess, and one file is cut into very many chunks. */
export function writeRandom(folder: string, seed: string): void {
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
  fill(folder, 0);
  writeFileSync(join(folder, 'many chunks'), noise(seed, 1_500_000));
  mkdirSync(join(folder, 'many files'));
  for (let i = 0; i < 3000; i++) writeFileSync(join(folder, 'many files', `${i}`), `${i}`);
  touchRandomly(folder);
}

/** A random time for each at the top. */
function touchRandomly(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const seconds = noise(path, 4).readInt32LE(0);
    if (lstatSync(path).isFile()) touch(path, `@${seconds}.${noise(path, 1).readUInt8(0)}`);
  }
}
