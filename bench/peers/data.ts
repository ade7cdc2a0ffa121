import { execFileSync } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { numbers } from '../chunking/workload.js';
import { files } from './tree.js';

const MIB = 1024 * 1024;
const ZEROS = Buffer.alloc(MIB);
const CHANGED = 0.01;

/** Copies directories below a new one, so that only the measured change changes them. */
export function copyOf(paths: readonly string[], directory: string): void {
  for (const path of paths.map((each) => resolve(each))) {
    const target = join(directory, path);
    mkdirSync(dirname(target), { recursive: true });
    execFileSync('cp', ['-a', path, target]);
  }
}

/** Copies a random selection of files up to this many bytes; the selection is the same each time. */
export function portionOf(source: string, bytes: number, directory: string): void {
  const next = numbers(42);
  const all = [...files(source)];
  const chosen: string[] = [];
  for (let left = bytes; left > bytes / 200 && all.length > 0; ) {
    const at = Math.floor(next() * all.length);
    const path = all[at] as string;
    all[at] = all.at(-1) as string;
    all.pop();
    const { size } = lstatSync(path);
    if (size > left) continue;
    left -= size;
    chosen.push(path.slice(source.length + 1));
  }
  mkdirSync(directory, { recursive: true });
  execFileSync('rsync', ['-a', '--from0', '--files-from=-', `${source}/`, directory], { input: chosen.join('\0') });
}

/**
 * Changes 1 % of the files, the same ones each time. In turn: inserts a line, rewrites the file, removes it, adds a file beside it.
 */
export function change(directory: string, round: number): void {
  const next = numbers(1000 + round);
  const all = [...files(directory)].filter((path) => lstatSync(path).nlink === 1);
  const count = Math.max(4, Math.round(all.length * CHANGED));
  for (let i = 0; i < count; i++) {
    const [path] = all.splice(Math.floor(next() * all.length), 1);
    if (path !== undefined) changeFile(path, i, next);
  }
}

function changeFile(path: string, i: number, next: () => number): void {
  const content = i % 4 < 2 ? readFileSync(path) : ZEROS;
  if (i % 4 === 0) {
    const at = Math.floor(next() * content.length);
    writeFileSync(
      path,
      Buffer.concat([content.subarray(0, at), Buffer.from(`line ${next()}\n`), content.subarray(at)]),
    );
  } else if (i % 4 === 1) {
    writeFileSync(
      path,
      keystream(content.length, Math.floor(next() * 2 ** 32))
        .toString('base64')
        .slice(0, content.length),
    );
  } else if (i % 4 === 2) {
    rmSync(path);
  } else {
    writeFileSync(join(dirname(path), `new-${i}-${basename(path)}`.slice(0, 200)), prose(next, 200 + next() * 100_000));
  }
}

/** Incompressible bytes, the same for the same seed. */
export function keystream(length: number, seed: number): Buffer {
  const key = Buffer.alloc(32);
  key.writeUInt32LE(seed);
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** One file of incompressible bytes. */
export function incompressible(directory: string, bytes: number): void {
  mkdirSync(directory, { recursive: true });
  const file = openSync(join(directory, 'random'), 'w');
  const cipher = createCipheriv('aes-256-ctr', Buffer.alloc(32, 7), Buffer.alloc(16));
  for (let left = bytes; left > 0; left -= MIB) writeSync(file, cipher.update(ZEROS.subarray(0, Math.min(MIB, left))));
  closeSync(file);
}

const pool = keystream(192 * 1024, 1).toString('base64');

/** Text that repeats pieces in changing order: it compresses to about a third. */
function prose(next: () => number, length: number): string {
  let text = '';
  while (text.length < length) {
    const at = Math.floor(next() * pool.length);
    text += pool.slice(at, at + 8 + Math.floor(next() * 40));
  }
  return text.slice(0, length);
}

/** Files of 1 KiB to 64 MiB, half of the bytes compressible, a hundred to a directory. */
export function mixture(directory: string, bytes: number): void {
  const next = numbers(77);
  for (let [i, left] = [0, bytes]; left > 0; i++) {
    const size = Math.min(left, Math.round(1024 * 2 ** (16 * next())));
    const path = join(directory, `${Math.floor(i / 100)}`, `file-${i}`);
    mkdirSync(dirname(path), { recursive: true });
    for (let written = 0; written < size; written += MIB)
      appendFileSync(path, piece(i, Math.min(MIB, size - written), next));
    left -= size;
  }
}

/** One file of compressible text and incompressible bytes in turn, a mebibyte each. */
export function alternating(directory: string, bytes: number): void {
  mkdirSync(directory, { recursive: true });
  const next = numbers(78);
  const file = openSync(join(directory, 'alternating'), 'w');
  for (let [i, left] = [0, bytes]; left > 0; i++, left -= MIB) {
    const part = Buffer.from(piece(i, Math.min(MIB, left), next));
    for (let done = 0; done < part.length; ) done += writeSync(file, part, done);
  }
  closeSync(file);
}

function piece(i: number, length: number, next: () => number): Buffer | string {
  return i % 2 === 0 ? prose(next, length) : keystream(length, Math.floor(next() * 2 ** 32));
}
