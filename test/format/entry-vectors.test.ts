import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { MessagePackWriter } from '../../src/bytes/writer.js';
import { VarveError } from '../../src/errors/errors.js';
import { DirectoryParser } from '../../src/format/directory-parser.js';
import { writeEntry } from '../../src/format/entry.js';
import { EntryReader } from '../../src/format/entry-reader.js';

interface Vectors {
  readonly entries: readonly {
    readonly what: string;
    readonly mtime: readonly [string, number];
    readonly ctime: readonly [string, number];
    readonly size: string;
    readonly ino: string;
    readonly dev: string;
    readonly links: number;
    readonly uid: number;
    readonly gid: number;
    readonly mode: number;
    readonly encoding: string;
  }[];
  readonly directories: readonly {
    readonly what: string;
    readonly encoding: string;
    readonly names: readonly string[];
    readonly bad: readonly (readonly [number, string | null])[];
    readonly broken: boolean;
  }[];
}

const FILE = new URL('../../../fixtures/vectors/entries.json', import.meta.url);
const vectors = JSON.parse(readFileSync(FILE, 'utf8')) as Vectors;

for (const { what, encoding, mtime, ctime, size, ino, dev, ...small } of vectors.entries) {
  test(`an entry returns as it was encoded: ${what}`, () => {
    const reader = new EntryReader(Buffer.from(encoding, 'hex'), 'x');
    assert.ok(reader.next());
    const entry = reader.entry();
    const { mtimeSeconds, mtimeNanoseconds, ctimeSeconds, ctimeNanoseconds, inode, device, links, uid, gid } = entry;
    assert.deepEqual([String(mtimeSeconds), mtimeNanoseconds], mtime);
    assert.deepEqual([String(ctimeSeconds), ctimeNanoseconds], ctime);
    assert.deepEqual([entry.size, inode, device].map(String), [size, ino, dev]);
    assert.deepEqual({ links, uid, gid, mode: entry.mode }, small);
    const out = new MessagePackWriter();
    writeEntry(out, entry);
    assert.equal(out.view().toString('hex'), encoding);
  });
}

/** Reads a directory in parts of so many bytes. */
function read(bytes: Buffer, part: number) {
  const names: string[] = [];
  const bad: [number, string | null][] = [];
  let broken = false;
  const parser = new DirectoryParser('/d', ({ name, error }) => {
    const [, number] = /^\/d: .*\(entry (\d+)/.exec(error.message) ?? [];
    bad.push([Number(number), name?.toString() ?? null]);
  });
  try {
    for (let at = 0; at < bytes.length; at += part)
      for (const entry of parser.push(bytes.subarray(at, at + part))) names.push(entry.name.toString());
    for (const entry of parser.end()) names.push(entry.name.toString());
  } catch (cause) {
    assert.ok(cause instanceof VarveError && cause.code === 'damaged', String(cause));
    assert.match(cause.message, /^\/d: /);
    broken = true;
  }
  return { names, bad, broken };
}

for (const { what, encoding, ...expected } of vectors.directories) {
  test(`a directory keeps what can be read of it: ${what}`, () => {
    const bytes = Buffer.from(encoding, 'hex');
    for (const part of [bytes.length, 1, 7, 40]) assert.deepEqual(read(bytes, part), expected, `${part} bytes`);
  });
}
