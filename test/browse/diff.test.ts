import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Differences, diff } from '../../src/browse/diff.js';
import type { ContentRef } from '../../src/format/content.js';
import type { Entry } from '../../src/format/entry.js';
import { Layout } from '../../src/format/layout.js';
import { encodeXattrs } from '../../src/format/xattrs.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { isVarveError } from '../errors/expect-error.js';
import { Forge } from '../restore/crafted.js';
import { share } from '../whole.js';

const scratch = scratchDirectory();
const sandbox = await Sandbox.create(join(scratch, 'box'));

interface Compared {
  /** Each as the command prints it: the modifier, a space, the path. */
  readonly changes: readonly string[];
  readonly errors: readonly string[];
  readonly result: Differences;
}

async function compare(
  craft: (forge: Forge) => readonly [ContentRef, ContentRef],
  { metadata = false, signal }: { metadata?: boolean; signal?: AbortSignal } = {},
): Promise<Compared> {
  const forge = new Forge(await sandbox.open());
  const [before, after] = craft(forge);
  await forge.finish();
  const changes: string[] = [];
  const errors: string[] = [];
  const result = await diff(await sandbox.indexed(), before, after, {
    metadata,
    onChange: ({ path, modifier }) => changes.push(`${modifier} ${path.toString('latin1')}`),
    onError: ({ message }) => errors.push(message),
    ...(signal && { signal }),
  });
  return { changes, errors, result };
}

const named = (name: string | Buffer, entry: Partial<Entry>): Partial<Entry> => ({ name: Buffer.from(name), ...entry });
const directory = (name: string, content: ContentRef): Partial<Entry> => named(name, { type: 'directory', content });
const file = (forge: Forge, name: string, text: string): Partial<Entry> =>
  named(name, { content: forge.content(Buffer.from(text)) });

test('diff reports the modifier of each kind of change, and changes of metadata when the option is set', async () => {
  const craft = (forge: Forge) => {
    const content = forge.content(Buffer.from('content'));
    const other = forge.content(Buffer.from('CONTENT'));
    const attribute = (value: Buffer) => forge.attachment(encodeXattrs([{ name: Buffer.from('user.a'), value }]));
    const before = forge.directory(
      named('a changed', { content, mtimeSeconds: 1 }),
      named('b fell ill', { content }),
      named('c moved', { target: Buffer.from('old') }),
      named('d owned', { content, uid: 1 }),
      named('e attribute', { content, xattrs: attribute(Buffer.from('1')) }),
      named('f attributes', { content, xattrs: attribute(Buffer.alloc(3000)) }),
      named('g holes', { content, size: 100, holes: new Layout([7, 93]).encode() }),
      named('h type', { content }),
      named('i gone', { type: 'fifo' }),
      named('j same', { content, mtimeSeconds: 5 }),
      named('k device', { type: 'character', rdev: [1, 3] }),
    );
    const after = forge.directory(
      named('a changed', { content: other, mtimeSeconds: 2 }),
      named('b fell ill', { content: other }),
      named('c moved', { target: Buffer.from('new') }),
      named('d owned', { content, uid: 2 }),
      named('e attribute', { content, xattrs: attribute(Buffer.from('2')) }),
      named('f attributes', { content, xattrs: attribute(Buffer.alloc(3001)) }),
      named('g holes', { content, size: 100, holes: new Layout([3, 93, 4]).encode() }),
      named('h type', { type: 'socket' }),
      named('j same', { content, mtimeSeconds: 5 }),
      named('k device', { type: 'character', rdev: [1, 5] }),
      named(Buffer.from('l\xffnew', 'latin1'), { content }),
    );
    return [before, after] as const;
  };
  const reported = [
    'M /a changed',
    'M? /b fell ill',
    'M /c moved',
    'M? /g holes',
    'T /h type',
    '- /i gone',
    '+ /l\xffnew',
  ];
  const plain = await compare(craft);
  assert.deepEqual(plain.changes, reported);
  assert.deepEqual(plain.errors, []);
  assert.equal(plain.result.changedFiles, 3);
  const counts = ({ files, dirs, others }: { files: number; dirs: number; others: number }) => [files, dirs, others];
  assert.deepEqual(counts(plain.result.added), [1, 0, 0]);
  assert.deepEqual(counts(plain.result.removed), [0, 0, 1]);
  const { changes } = await compare(craft, { metadata: true });
  assert.deepEqual(changes, [
    ...reported.slice(0, 3),
    'U /d owned',
    'U /e attribute',
    'U /f attributes',
    'M? /g holes',
    'TU /h type',
    '- /i gone',
    'U /k device',
    '+ /l\xffnew',
  ]);
});

test('diff reports everything below as removed when a directory becomes a file', async () => {
  const craft = (forge: Forge) => {
    const inner = forge.directory(file(forge, 'x', 'text'), directory('y', forge.directory(file(forge, 'z', 'more'))));
    return [forge.directory(directory('a', inner)), forge.directory(file(forge, 'a', 'now a file'))] as const;
  };
  const there = await compare(craft);
  assert.deepEqual(there.changes, ['T /a', '- /a/x', '- /a/y/', '- /a/y/z']);
  assert.equal(there.result.removed.files, 2);
  const back = await compare((forge) => craft(forge).toReversed() as [ContentRef, ContentRef]);
  assert.deepEqual(back.changes, ['T /a/', '+ /a/x', '+ /a/y/', '+ /a/y/z']);
  assert.deepEqual(back.result.added, there.result.removed);
});

test('diff counts blobs of attachments and lists unless the other snapshot needs them', async () => {
  const long = randomBytes(5000);
  const { result } = await compare((forge) => {
    const moved = file(forge, 'moved', 'the same bytes');
    const xattrs = forge.attachment(encodeXattrs([{ name: Buffer.from('user.a'), value: long }]));
    const shared = forge.directory({ ...moved, name: Buffer.from('elsewhere') });
    return [
      forge.directory(
        directory('kept', shared),
        moved,
        named('with', { content: forge.content(Buffer.of(1)), xattrs }),
      ),
      forge.directory(directory('kept', shared), named('with', { content: forge.content(Buffer.of(1)) })),
    ];
  });
  assert.equal(result.removed.files, 1);
  assert.equal(result.removed.dataBlobs, 0);
  // The blobs of the root directory and of the attribute.
  assert.equal(result.removed.treeBlobs, 2);
  assert.equal(result.added.treeBlobs, 1);
  assert.ok(result.removed.bytes > 5000 && result.removed.bytes < 6000);
});

test('diff finds one change when a directory has 20,000 entries', async () => {
  const { changes, result } = await compare((forge) => {
    const content = forge.content(Buffer.from('content'));
    const entries = Array.from({ length: 20_000 }, (_, at) =>
      named(`file ${String(at).padStart(5, '0')}`, { content }),
    );
    const changed = entries.with(12_345, file(forge, 'file 12345', 'another'));
    return [forge.directory(...entries), forge.directory(...changed)];
  });
  assert.deepEqual(changes, ['M? /file 12345']);
  assert.deepEqual([result.added.dataBlobs, result.removed.dataBlobs], [1, 0]);
  assert.ok(result.added.treeBlobs <= 3, 'most blobs of the directory stay the same');
});

test('diff reports an error with the path and compares the rest when data are damaged', async () => {
  const nowhere: ContentRef = { size: 100, depth: 0, ids: randomBytes(32) };
  const { changes, errors } = await compare((forge) => {
    const disordered = forge.directory(file(forge, 'b', '1'), file(forge, 'a', '1'));
    const garbage = forge.content(Buffer.from('not a directory'), 2);
    const other = forge.directory(file(forge, 'x', '1'));
    const before = forge.directory(
      directory('a', nowhere),
      directory('b', disordered),
      directory('c', garbage),
      named('d', { content: nowhere, size: 100 }),
      directory('e', other),
      directory('f', { ...other, size: other.size + 1 }),
      file(forge, 'g', '1'),
      directory('h', nowhere),
    );
    const after = forge.directory(
      ...['a', 'b', 'c'].map((name) => directory(name, other)),
      file(forge, 'd', '2'),
      directory('e', garbage),
      directory('f', other),
      file(forge, 'g', '2'),
    );
    return [before, after];
  });
  assert.deepEqual(
    errors.map((message) => message.slice(0, message.indexOf(': '))),
    ['/a', '/b', '/c', '/d', '/e', '/f', '/h'],
  );
  assert.match(errors[0] ?? '', /^\/a: tree blob [0-9a-f]{64} is in no pack that the index lists; run /);
  assert.match(errors[1] ?? '', /^\/b: .*names are out of order/);
  assert.deepEqual(
    changes.filter((change) => /^\S+ \/[dgh]/.test(change)),
    ['M /d', 'M? /g', '- /h/'],
  );
});

test('diff throws an error when directories are nested without an end', async () => {
  const deep = (forge: Forge, last: ContentRef): ContentRef => {
    let content = last;
    for (let depth = 0; depth < 4200; depth++) content = forge.directory(directory('d', content));
    return content;
  };
  const { errors } = await compare((forge) => [
    deep(forge, forge.directory(file(forge, 'x', '1'))),
    deep(forge, forge.directory(file(forge, 'x', '2'))),
  ]);
  assert.equal(errors.length, 1);
  assert.match(errors[0] ?? '', /^\/d\/d.*: directories are nested too deeply$/);
});

test('diff ends when it is interrupted', async () => {
  await assert.rejects(
    compare((forge) => [forge.directory(), forge.directory(file(forge, 'x', '1'))], { signal: AbortSignal.abort() }),
    isVarveError('interrupted'),
  );
});

/** A small tree: a number is a file with that content, a text a link with that target. */
type Model = { readonly [name: string]: number | string | Model };

const { model } = fc.letrec<{ model: Model; node: number | string | Model }>((tie) => ({
  model: fc.dictionary(fc.constantFrom('a', 'b', 'b.', 'é', 'z'), tie('node'), { noNullPrototype: true }),
  node: fc.oneof({ maxDepth: 4 }, fc.nat(1), fc.constantFrom('x', 'y'), tie('model')),
}));

const isDirectory = (node: number | string | Model): node is Model => typeof node === 'object';
const kindOf = (node: number | string | Model): string => (isDirectory(node) ? 'folder' : typeof node);
const inOrder = (...models: readonly Model[]): string[] =>
  [...new Set(models.flatMap((each) => Object.keys(each)))].sort((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );

/** Stores a model, and collects the blobs that it needs with their lengths. */
function write(forge: Forge, tree: Model, blobs: Map<string, number>): ContentRef {
  const note = (content: ContentRef): ContentRef => {
    if (content.ids.length > 0) blobs.set(content.ids.toString('hex'), content.size);
    return content;
  };
  const entries = inOrder(tree).map((name) => {
    const node = tree[name] ?? 0;
    if (isDirectory(node)) return directory(name, write(forge, node, blobs));
    if (typeof node === 'string') return named(name, { target: Buffer.from(node) });
    return named(name, { content: note(forge.content(Buffer.alloc(node + 1, node))) });
  });
  return note(forge.directory(...entries));
}

/** The expected changes, computed in the simplest way. */
function expected(path: string, before: Model, after: Model): string[] {
  return inOrder(before, after).flatMap((name) => {
    const [from, to] = [before[name], after[name]];
    const at = `${path}/${name}`;
    const slash = (node: number | string | Model): string => (isDirectory(node) ? '/' : '');
    const below = (a: typeof from, b: typeof to): string[] =>
      expected(at, a !== undefined && isDirectory(a) ? a : {}, b !== undefined && isDirectory(b) ? b : {});
    if (to === undefined) return [`- ${at}${slash(from ?? 0)}`, ...below(from, to)];
    if (from === undefined) return [`+ ${at}${slash(to)}`, ...below(from, to)];
    if (kindOf(from) !== kindOf(to)) return [`T ${at}${slash(to)}`, ...below(from, to)];
    if (isDirectory(from)) return below(from, to);
    if (from === to) return [];
    // The sizes differ too, so this is not reported as bit rot.
    return [`M ${at}`];
  });
}

test('diff agrees with a simple comparison when trees are random', async () => {
  await fc.assert(
    fc.asyncProperty(model, model, async (one, two) => {
      const [before, after] = [new Map<string, number>(), new Map<string, number>()];
      const { changes, errors, result } = await compare((forge) => [
        write(forge, one, before),
        write(forge, two, after),
      ]);
      const decoded = changes.map((change) => Buffer.from(change, 'latin1').toString());
      assert.deepEqual(decoded, expected('', one, two));
      assert.deepEqual(errors, []);
      const only = (these: Map<string, number>, those: Map<string, number>) => {
        const sizes = [...these].filter(([id]) => !those.has(id)).map(([, size]) => size);
        return [sizes.length, sizes.reduce((sum, size) => sum + size, 0)];
      };
      const { added, removed } = result;
      assert.deepEqual([removed.dataBlobs + removed.treeBlobs, removed.bytes], only(before, after));
      assert.deepEqual([added.dataBlobs + added.treeBlobs, added.bytes], only(after, before));
    }),
    share(30, 100),
  );
});
