import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { type FileCriteria, FileFinder } from '../../src/browse/find-files.js';
import { ObjectFinder, type ObjectNames } from '../../src/browse/find-objects.js';
import { type Finder, type Found, Search } from '../../src/browse/search.js';
import { treeId } from '../../src/browse/tree-id.js';
import { type ContentRef, TREE } from '../../src/format/content.js';
import type { Entry } from '../../src/format/entry.js';
import { encodeXattrs } from '../../src/format/xattrs.js';
import type { IndexedRepository } from '../../src/repository/index/index-store.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { isVarveError } from '../errors/expect-error.js';
import { Forge } from '../restore/crafted.js';

const scratch = scratchDirectory();
const sandbox = await Sandbox.create(join(scratch, 'box'));

/** Stores the tree that the function makes. */
async function stored<T>(craft: (forge: Forge) => T): Promise<{ made: T; repository: IndexedRepository }> {
  const forge = new Forge(await sandbox.open());
  const made = craft(forge);
  await forge.finish();
  return { made, repository: await sandbox.indexed() };
}

const file = (name: string, changes: Partial<Entry> = {}): ((forge: Forge) => Partial<Entry>) => {
  return (forge) => ({ name: Buffer.from(name), content: forge.content(Buffer.from(name)), ...changes });
};
const directory = (name: string, content: ContentRef): Partial<Entry> => ({
  name: Buffer.from(name),
  type: 'directory',
  content,
});

interface Outcome {
  readonly paths: string[];
  readonly errors: string[];
}

/** Searches roots one after the other. */
async function search<Hit extends { readonly path: Buffer }>(
  repository: IndexedRepository,
  finder: Finder<Hit>,
  roots: readonly ContentRef[],
  signal?: AbortSignal,
): Promise<Outcome> {
  const [paths, errors]: [string[], string[]] = [[], []];
  const searching = new Search(new TreeReader(repository), finder, {
    onError: ({ message }) => errors.push(message),
    ...(signal && { signal }),
  });
  for (const root of roots) await searching.run(root, ({ path }) => paths.push(path.toString()));
  return { paths, errors };
}

/** Counts the entries that are matched. */
class Counting<Hit> implements Finder<Hit> {
  looks = 0;
  readonly #inner: Finder<Hit>;

  constructor(inner: Finder<Hit>) {
    this.#inner = inner;
  }

  look(...args: Parameters<Finder<Hit>['look']>): Found<Hit> | Promise<Found<Hit>> {
    this.looks++;
    return this.#inner.look(...args);
  }
}

const files = (criteria: Partial<FileCriteria>): FileFinder =>
  new FileFinder({ patterns: ['*'], insensitive: false, ...criteria });

test('Search reads a directory once and reports it in each snapshot when they share it', async () => {
  const { made, repository } = await stored((forge) => {
    const shared = forge.directory(...['a.txt', 'b', 'c.txt'].map((name) => file(name)(forge)));
    const root = (extra: string) => forge.directory(directory('d', shared), file(extra)(forge));
    return [root('x'), root('y'), root('x')];
  });
  const counting = new Counting(files({ patterns: ['*.txt'] }));
  const { paths } = await search(repository, counting, made);
  assert.deepEqual(paths, ['/d/a.txt', '/d/c.txt', '/d/a.txt', '/d/c.txt', '/d/a.txt', '/d/c.txt']);
  assert.equal(counting.looks, 3 + 2 + 2, 'the directory is read once, and each root once');
});

test('Search matches by path when the same directory has two paths', async () => {
  const { made, repository } = await stored((forge) => {
    const shared = forge.directory(file('x')(forge));
    return forge.directory(directory('a', shared), directory('b', shared));
  });
  assert.deepEqual((await search(repository, files({ patterns: ['/b/x'] }), [made])).paths, ['/b/x']);
  assert.deepEqual((await search(repository, files({ patterns: ['a/x'] }), [made, made])).paths, ['/a/x', '/a/x']);
});

test('Search reads nothing below a directory when nothing there can match', async () => {
  const { made, repository } = await stored((forge) => {
    const missing: ContentRef = { size: 10, depth: 0, ids: randomBytes(32) };
    return forge.directory(directory('a', forge.directory(file('x')(forge))), directory('b', missing));
  });
  assert.deepEqual(await search(repository, files({ patterns: ['/a/x'] }), [made]), { paths: ['/a/x'], errors: [] });
});

test('Search finds all hits again when they are too many to cache', async () => {
  const { made, repository } = await stored((forge) => {
    const content = forge.content(Buffer.from('content'));
    const entries = Array.from({ length: 10_001 }, (_, at) => ({
      name: Buffer.from(`file ${String(at).padStart(5, '0')}`),
      content,
    }));
    return forge.directory(
      directory('a', forge.directory(...entries)),
      directory('b', forge.directory(...entries.slice(1))),
    );
  });
  const counting = new Counting(files({ patterns: ['file*'] }));
  const { paths } = await search(repository, counting, [made, made]);
  assert.equal(paths.length, 2 * 20_001);
  assert.deepEqual(paths.slice(0, 20_001), paths.slice(20_001));
  assert.equal(counting.looks, 2 * (2 + 10_001) + 10_000, 'the directory with too many hits is read again');
});

test('FileFinder finds files when pattern, time, size and case match', async () => {
  const { made, repository } = await stored((forge) => {
    const sized = (size: number): Partial<Entry> => ({ content: forge.content(randomBytes(size)) });
    return forge.directory(
      ...[
        file('Big', { ...sized(3000), mtimeSeconds: 300 }),
        file('old', { mtimeSeconds: 100, mtimeNanoseconds: 5 }),
        file('small', { ...sized(10), mtimeSeconds: 200 }),
      ].map((make) => make(forge)),
      { ...directory('z', forge.directory(file('in', { mtimeSeconds: 100 })(forge))), mtimeSeconds: 200 },
    );
  });
  const found = async (criteria: Partial<FileCriteria>) => (await search(repository, files(criteria), [made])).paths;
  assert.deepEqual(await found({}), ['/Big', '/old', '/small', '/z', '/z/in']);
  assert.deepEqual(await found({ patterns: ['b*'] }), []);
  assert.deepEqual(await found({ patterns: ['b*'], insensitive: true }), ['/Big']);
  assert.deepEqual(await found({ patterns: ['z'] }), ['/z', '/z/in']);
  assert.deepEqual(await found({ patterns: ['*', '!in'] }), ['/Big', '/old', '/small', '/z']);
  const at = (seconds: number, nanoseconds = 0) => ({ seconds, nanoseconds });
  assert.deepEqual(await found({ oldest: at(200) }), ['/Big', '/small', '/z']);
  assert.deepEqual(await found({ newest: at(200) }), ['/old', '/small', '/z', '/z/in']);
  assert.deepEqual(await found({ newest: at(100, 4) }), ['/z/in']);
  assert.deepEqual(await found({ oldest: at(200), newest: at(200) }), ['/small', '/z']);
  assert.deepEqual(await found({ minSize: 11 }), ['/Big']);
  assert.deepEqual(await found({ minSize: 10, maxSize: 10 }), ['/small']);
});

test('ObjectFinder finds paths when blobs of files, attachments or lists, trees or packs match', async () => {
  const attribute = encodeXattrs([{ name: Buffer.from('user.a'), value: randomBytes(3000) }]);
  const { made, repository } = await stored((forge) => {
    const inner = forge.directory(file('x')(forge), file('y')(forge));
    const xattrs = forge.attachment(attribute);
    const twice = forge.content(Buffer.from('x'));
    const list = forge.content(Buffer.concat([twice.ids, twice.ids]), TREE);
    const root = forge.directory(
      { name: Buffer.from('big'), content: { size: 2, depth: 1, ids: list.ids } },
      directory('d', inner),
      file('with', { xattrs })(forge),
    );
    return { root, inner, list, x: twice.ids.toString('hex'), attributeId: (xattrs as ContentRef).ids };
  });
  const found = async (kind: ObjectNames['kind'], ...ids: string[]) => {
    const finder = new ObjectFinder(repository, new TreeReader(repository), { kind, ids });
    const hits: string[] = [];
    const searching = new Search(new TreeReader(repository), finder, { onError: (error) => assert.fail(error) });
    await searching.run(made.root, (hit) =>
      hits.push(`${hit.kind} ${hit.path.toString()} ${hit.parentTree?.slice(0, 8) ?? ''}`.trimEnd()),
    );
    return hits;
  };
  const [root, inner] = [treeId(made.root), treeId(made.inner)];
  assert.deepEqual(await found('blob', made.x), [`blob /big ${root.slice(0, 8)}`, `blob /d/x ${inner.slice(0, 8)}`]);
  assert.equal((await found('blob', made.x.slice(0, 8), made.x)).length, 2);
  assert.deepEqual(await found('blob', made.list.ids.toString('hex')), [`blob /big ${root.slice(0, 8)}`]);
  assert.deepEqual(await found('blob', made.attributeId.toString('hex')), [`blob /with ${root.slice(0, 8)}`]);
  assert.deepEqual(await found('blob', inner), []);
  assert.deepEqual(await found('tree', inner.slice(0, 10)), ['tree /d']);
  assert.deepEqual(await found('tree', root), ['tree /']);
  const { index } = repository;
  const packOf = (id: Buffer): string => index.packName(index.locate(index.find(id)).pack);
  assert.deepEqual(
    (await found('pack', packOf(made.attributeId).slice(0, 12))).map((hit) => hit.split(' ').slice(0, 2).join(' ')),
    ['tree /', 'blob /big', 'tree /d', 'blob /with'],
  );
  await assert.rejects(found('pack', 'f'.repeat(64)), isVarveError('not-found', /^pack f{64}: not in the index$/));
  await assert.rejects(found('blob', 'xyz'), isVarveError('usage', /^"xyz" is not an id/));
});

test('ObjectFinder finds the path that needs a blob when the blob is lost', async () => {
  const lost = randomBytes(32);
  const { made, repository } = await stored((forge) =>
    forge.directory({ name: Buffer.from('broken'), content: { size: 5, depth: 0, ids: lost } }),
  );
  const ids = [lost.toString('hex')];
  const finder = new ObjectFinder(repository, new TreeReader(repository), { kind: 'blob', ids });
  assert.deepEqual(await search(repository, finder, [made]), { paths: ['/broken'], errors: [] });
});

test('Search reports an error each time and searches the rest when data are damaged', async () => {
  const { made, repository } = await stored((forge) => {
    const missing: ContentRef = { size: 10, depth: 0, ids: randomBytes(32) };
    const disordered = forge.directory(file('b')(forge), file('a')(forge));
    return forge.directory(directory('a', missing), directory('b', disordered), file('c')(forge), {
      name: Buffer.from('d'),
      content: { size: 5, depth: 1, ids: randomBytes(32) },
    });
  });
  const { paths, errors } = await search(repository, files({}), [made, made]);
  assert.deepEqual(paths, ['/a', '/b', '/b/b', '/c', '/d', '/a', '/b', '/b/b', '/c', '/d']);
  assert.match(errors[0] ?? '', /^\/a: tree blob [0-9a-f]{64} is in no pack that the index lists; run /);
  assert.match(errors[1] ?? '', /^\/b: .*names are out of order/);
  assert.equal(errors.length, 4);
  const finder = new ObjectFinder(repository, new TreeReader(repository), { kind: 'blob', ids: ['00'] });
  const objects = await search(repository, finder, [made]);
  assert.deepEqual(
    objects.errors.map((message) => message.slice(0, 4)),
    ['/a: ', '/b: ', '/d: '],
  );
});

test('Search ends when it is interrupted', async () => {
  const { made, repository } = await stored((forge) => forge.directory(file('x')(forge)));
  await assert.rejects(search(repository, files({}), [made], AbortSignal.abort()), isVarveError('interrupted'));
});
