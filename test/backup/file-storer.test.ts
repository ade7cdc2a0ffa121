import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { closeSync, lstatSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type StoredFile, storeFile } from '../../src/backup/file-storer.js';
import type { Storer } from '../../src/backup/storer.js';
import { Directory } from '../../src/filesystem/directory.js';
import { AT_FDCWD, mknodat } from '../../src/filesystem/posix.js';
import { isVarveError } from '../errors/expect-error.js';
import { scratchDirectory } from './sandbox.js';

const scratch = scratchDirectory();
/** Bytes that are read in one go. */
const SPACE = 40_000;

/** Keeps the last stream that was stored. */
class Stream {
  #space = Buffer.alloc(0);
  #parts: Buffer[] = [];

  begin(): void {
    this.#parts = [];
  }

  space(wanted: number): Buffer {
    this.#space = Buffer.alloc(Math.min(wanted, SPACE));
    return this.#space;
  }

  commit(count: number): void {
    this.#parts.push(this.#space.subarray(0, count));
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  end() {
    return { size: this.bytes.length, depth: 0, ids: Buffer.alloc(0) };
  }
}

/** Changes bytes of a file, which keeps its length; the clock of a file system ticks slowly. */
function change(path: string, offset: number): void {
  const { mtimeNs } = lstatSync(path, { bigint: true });
  const file = openSync(path, 'r+');
  while (lstatSync(path, { bigint: true }).mtimeNs === mtimeNs) writeSync(file, 'changed', offset);
  closeSync(file);
}

/** Reads a file that `meanwhile` may change after each call that reads some of it. */
function read(path: string, meanwhile: (reads: number) => void): StoredFile & { bytes: Buffer; told: number } {
  const data = new Stream();
  const reference = (size: number, ids: Buffer) => ({ size, depth: 0, ids });
  const storer = { data, reference, stopIfCancelled: () => undefined } as unknown as Storer;
  let [told, reads] = [0, 0];
  const directory = Directory.open(Buffer.from(scratch));
  try {
    const name = Buffer.from(path.slice(scratch.length + 1));
    const stored = storeFile(
      storer,
      directory,
      name,
      () => undefined,
      (bytes) => {
        told += bytes;
        if (bytes > 0) meanwhile(++reads);
      },
    );
    return { ...stored, bytes: data.bytes, told };
  } finally {
    directory.close();
  }
}

test('backup reads a file again when it changes in place while it is read', () => {
  const path = join(scratch, 'once');
  writeFileSync(path, Buffer.alloc(100_000, 'x'));
  const stored = read(path, (reads) => reads === 1 && change(path, 1000));
  assert.equal(stored.torn, false);
  assert.equal(stored.bytes.toString('latin1', 1000, 1007), 'changed');
  assert.equal(stored.told, 100_000);
});

test('backup warns of a file that changes again, and does not read it a third time', () => {
  const path = join(scratch, 'again');
  writeFileSync(path, Buffer.alloc(100_000, 'x'));
  let most = 0;
  const stored = read(path, (reads) => {
    most = reads;
    change(path, 1000);
  });
  assert.equal(stored.torn, true);
  assert.equal(most, 6);
  assert.equal(stored.told, 100_000);
});

test('backup handles a sparse file that changes between finding its holes and reading it', (t) => {
  const path = join(scratch, 'holes');
  writeFileSync(path, Buffer.alloc(4096, 'x'));
  truncateSync(path, 1 << 20);
  const stored = read(path, () => change(path, 1000));
  if (stored.layout === undefined) return t.skip('the file system has no holes');
  assert.equal(stored.torn, true);
});

test('backup reports an error when a file is no longer a file on opening', () => {
  const path = join(scratch, 'fifo');
  mknodat(AT_FDCWD, Buffer.from(path), 0o010600);
  assert.throws(() => read(path, () => undefined), isVarveError('source', /is no longer a regular file/));
});
