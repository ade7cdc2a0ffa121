import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { Chunker } from '../../src/chunking/chunker.js';
import { type ContentRef, TREE } from '../../src/format/content.js';
import type { EntryReader } from '../../src/format/entry-reader.js';
import { type IndexedRepository, loadIndex } from '../../src/repository/index/index-store.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import { TreeRewriter, type TreeVisitor, type Verdict } from '../../src/repository/rewriting/tree-rewriter.js';
import { RepositoryWriter } from '../../src/repository/writing/repository-writer.js';
import { TreeStream, WINDOW } from '../../src/repository/writing/tree-stream.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';

const scratch = scratchDirectory();
let sandbox: Sandbox;
let root: ContentRef;

before(async () => {
  sandbox = await Sandbox.create(join(scratch, 'one'));
  for (const directory of ['wide', 'deep/er/est', 'empty'])
    mkdirSync(join(sandbox.source, directory), { recursive: true });
  for (let number = 0; number < 6000; number++)
    writeFileSync(join(sandbox.source, 'wide', `file ${number}`), `${number % 10}`);
  writeFileSync(join(sandbox.source, 'deep/er/est/file'), 'deep down');
  writeFileSync(join(sandbox.source, 'deep/er/other'), 'other');
  root = (await sandbox.backup()).snapshot.root;
});

type Visit = (path: string, entry: EntryReader) => Verdict;

/** Rewrites the source directory with a visitor that remembers nothing. */
async function rewrite(visit: Visit, changes: Partial<TreeVisitor> = {}, repository?: IndexedRepository) {
  const indexed = repository ?? (await sandbox.indexed());
  const writer = new RepositoryWriter(indexed, { compression: 'auto' });
  const visitor: TreeVisitor = {
    visit: (entry, path) => visit(path.toString(), entry),
    mayKeep: () => true,
    unreadable: (cause) => {
      throw cause;
    },
    keepsBad: () => false,
    recall: () => undefined,
    remember: () => undefined,
    ...changes,
  };
  const source = await sandbox.sourceIn(root);
  const rewritten = await new TreeRewriter(new TreeReader(indexed), writer, visitor).rewrite(source);
  await writer.salvage();
  return { ...rewritten, source, stored: writer.stored[TREE] };
}

/** The paths of all entries below a directory. */
async function paths(content: ContentRef): Promise<string[]> {
  const reader = new TreeReader(await sandbox.indexed());
  const found: string[] = [];
  const walk = async (directory: ContentRef, path: string): Promise<void> => {
    for await (const entry of reader.entries(directory, path)) {
      found.push(`${path}/${entry.name}`);
      if (entry.type === 'directory' && entry.content !== undefined) await walk(entry.content, `${path}/${entry.name}`);
    }
  };
  await walk(content, '');
  return found;
}

test('TreeRewriter stores nothing when every entry is kept', async () => {
  const { content, source, changed, files, bytes, stored } = await rewrite(() => 'keep');
  assert.deepEqual(content, source);
  assert.equal(changed, false);
  assert.deepEqual([files, bytes], [6002, 6000 + 9 + 5]);
  assert.equal(stored.blobs, 0);
});

test('TreeRewriter stores a directory again, with the same content, when it may not keep it', async () => {
  const { content, source, changed, stored } = await rewrite(() => 'keep', { mayKeep: () => false });
  assert.deepEqual(content, source);
  assert.equal(changed, false);
  assert.equal(stored.blobs, 0, 'as the repository has it all');
});

test('TreeRewriter writes only the directories above when an entry is dropped', async () => {
  const { content, source, files, stored } = await rewrite((path) => (path === '/deep/er/other' ? 'drop' : 'keep'));
  assert.deepEqual(
    await paths(content),
    (await paths(source)).filter((path) => path !== '/deep/er/other'),
  );
  assert.equal(files, 6001);
  assert.equal(stored.blobs, 3, 'of /deep/er, of /deep and of the root');
});

test('TreeRewriter cuts a wide directory as a backup does when entries are dropped or changed', async () => {
  for (const which of [0, 1, 2999, 5998, 5999]) {
    const dropped = (path: string) => path.startsWith('/wide/') && Number(path.split(' ')[1]) % 3000 === which % 3000;
    const { content, source, stored } = await rewrite((path) => (dropped(path) ? 'drop' : 'keep'));
    assert.deepEqual(
      await paths(content),
      (await paths(source)).filter((path) => !dropped(path)),
    );
    assert.ok(stored.blobs <= 7, `${stored.blobs} blobs: the others are those of the old list`);
  }
  const { content } = await rewrite((path, entry) => (path.endsWith('9') ? { ...entry.entry(), mode: 0 } : 'keep'));
  const reader = new TreeReader(await sandbox.indexed());
  const wide = await reader.directory(content, [Buffer.from('wide')]);
  for await (const { name, mode } of reader.entries(wide, '/'))
    assert.equal(mode === 0, name.toString().endsWith('9'), `${name}`);
});

test('TreeRewriter does not visit a directory again when the visitor recalls it', async () => {
  const visited: string[] = [];
  const known = { content: { size: 0, depth: 0, ids: Buffer.alloc(0) }, changed: true, files: 7, bytes: 70 } as const;
  const { content, files } = await rewrite(
    (path) => {
      visited.push(path);
      return path === '/wide' ? 'drop' : 'keep';
    },
    { recall: (_, path) => (path.toString() === '/deep' ? known : undefined) },
  );
  assert.deepEqual(visited.sort(), ['/deep', '/empty', '/wide']);
  assert.deepEqual(await paths(content), ['/deep', '/empty']);
  assert.equal(files, 7);
});

test('TreeRewriter keeps the entries before the damage when the visitor accepts an unreadable directory', async () => {
  const repository = await loadIndex(await sandbox.open());
  const reader = new TreeReader(repository);
  const wide = await reader.directory(await sandbox.sourceIn(root), [Buffer.from('wide')]);
  const lost = wide.ids.subarray(wide.ids.length - 32);
  const { index } = repository;
  const broken = {
    ...repository,
    index: new Proxy(index, {
      get: (target, key) =>
        key === 'find'
          ? (id: Buffer, at = 0) => (lost.equals(id.subarray(at, at + 32)) ? -1 : target.find(id, at))
          : bound(target, key),
    }),
  };
  await assert.rejects(
    rewrite(() => 'keep', {}, broken),
    /\/wide: tree blob [0-9a-f]{64} is in no pack/,
  );
  const unreadable: string[] = [];
  const { content } = await rewrite(
    () => 'keep',
    { unreadable: (_, path) => void unreadable.push(path.toString()) },
    broken,
  );
  assert.deepEqual(unreadable, ['/wide']);
  const all = await paths(await sandbox.sourceIn(root));
  const left = await paths(content);
  assert.ok(left.length > 1000 && left.length < all.length);
  assert.deepEqual(
    left,
    all.filter((path) => left.includes(path)),
  );
  assert.equal(left.at(-1)?.startsWith('/wide/'), true);
});

function bound(target: object, key: string | symbol): unknown {
  const value = Reflect.get(target, key, target) as unknown;
  return typeof value === 'function' ? value.bind(target) : value;
}

test('TreeStream cuts each stream the same when several share a chunker', () => {
  const chunker = Chunker.create(Buffer.alloc(32, 7), { min: 64, average: 256, max: 1024 }, WINDOW * 1024);
  const cut = (parts: readonly Uint8Array[]): Buffer => {
    const memory = Buffer.concat(parts);
    const ends: Buffer[] = [];
    for (let start = 0; start < memory.length; ) {
      const window = memory.subarray(start, start + WINDOW * 1024);
      chunker.memory.set(window);
      const length = chunker.cut(0, window.length, true);
      ends.push(Buffer.alloc(32, length % 251));
      start += length;
    }
    return Buffer.concat(ends);
  };
  const part = fc.uint8Array({ maxLength: 6000 });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2), part), { maxLength: 20 }), (writes) => {
      const streams = [0, 1, 2].map(() => new TreeStream(chunker, (blob) => Buffer.alloc(32, blob.length % 251)));
      for (const [to, bytes] of writes) streams[to]?.write(bytes);
      for (const [number, stream] of streams.entries()) {
        const mine = writes.filter(([to]) => to === number).map(([, bytes]) => bytes);
        const { size, ids } = stream.end();
        assert.equal(
          size,
          mine.reduce((sum, { length }) => sum + length, 0),
        );
        assert.deepEqual(ids, cut(mine));
      }
    }),
    { numRuns: 200 },
  );
});
