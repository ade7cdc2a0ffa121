import { Buffer } from 'node:buffer';
import { type ContentRef, TREE } from '../../src/format/content.js';
import { RAW } from '../../src/format/pack-record.js';
import type { Repository } from '../../src/repository/repository.js';
import { writeSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { Forge } from '../restore/crafted.js';

const [WIDTH, DEPTH] = [1000, 4];
const [LONG_FILES, LISTED, LISTS] = [500, 4096, 100];
const CHUNK = Buffer.alloc(1024, 'chunk');

/** Writes a snapshot of a million million entries: each directory is a thousand times in the one above it. @returns its id */
export async function writeWideTree(repository: Repository, mtimeSeconds: number): Promise<string> {
  const forge = new Forge(repository);
  let content = forge.directory({
    name: Buffer.from('file'),
    size: 0,
    content: forge.content(Buffer.alloc(0)),
    mtimeSeconds,
  });
  for (let level = 0; level < DEPTH; level++) {
    const below = content;
    const names = Array.from({ length: WIDTH }, (_, number) => Buffer.from(`d${number}`)).sort(Buffer.compare);
    const file = { name: Buffer.from('a name of two'), links: 2, inode: 1, content: forge.content(Buffer.alloc(0)) };
    content = forge.directory(
      file,
      ...names.map((name) => ({ name, type: 'directory', content: below, mtimeSeconds }) as const),
    );
  }
  await forge.finish();
  return write(repository, content);
}

/** Writes a snapshot of files that have thousands of millions of chunks together, nearly all the same. @returns its id */
export async function writeLongFiles(repository: Repository, mtimeSeconds: number): Promise<string> {
  const forge = new Forge(repository);
  const chunk = forge.content(CHUNK).ids;
  const list = Buffer.concat(Array.from({ length: LISTED }, () => chunk));
  const id = forge.id(list, TREE);
  forge.pack(TREE, [{ body: list, codec: RAW, rawLength: list.length, ids: [id], lengths: [list.length] }]);
  const entries = Array.from({ length: LONG_FILES }, (_, number) => {
    const lists = LISTS + number;
    const size = lists * LISTED * CHUNK.length;
    const ids = Buffer.concat(Array.from({ length: lists }, () => id));
    return { name: Buffer.from(`f${number}`), size, content: { size, depth: 1, ids } as const, mtimeSeconds };
  });
  const content = forge.directory(...entries.sort((a, b) => Buffer.compare(a.name, b.name)));
  await forge.finish();
  return write(repository, content);
}

function write(repository: Repository, root: ContentRef): Promise<string> {
  return writeSnapshot(repository, {
    time: { seconds: 1_700_000_000, nanoseconds: 0 },
    host: 'test',
    user: 'anna',
    uid: 0,
    gid: 0,
    paths: [Buffer.from('/')],
    tags: [],
    excludes: [],
    program: 'varve test',
    root,
    parent: undefined,
    original: undefined,
    summary: undefined,
  });
}
