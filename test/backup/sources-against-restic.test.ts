import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { listTree } from '../../src/browse/list.js';
import { NO_FILTER } from '../../src/filesystem/filter.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import { ResticRepository } from '../retention/restic-repository.js';
import { missingRestic, PEERS } from '../servers/peer-restic.js';
import { Sandbox, scratchDirectory } from './sandbox.js';

const scratch = scratchDirectory();
const home = join(scratch, 'home');
const anna = join(home, 'anna');
const DOCUMENTS = ['/Documents', '/Documents/f', '/Documents/sub', '/Documents/y.tmp'];
const ABOVE_HOME = directoriesOf(home);

interface Case {
  readonly sources: readonly string[];
  readonly directory?: string;
  readonly excludes?: readonly string[];
  /** All paths in the snapshot. */
  readonly tree: readonly string[];
  /** The first restic that does so: 0.N. */
  readonly since?: number;
}

const CASES: readonly Case[] = [
  { sources: ['Documents'], tree: DOCUMENTS },
  { sources: ['./Documents//', 'Documents/../x', './x', 'link/'], tree: [...DOCUMENTS, '/link', '/x'] },
  { sources: ['.'], tree: [...DOCUMENTS, '/link', '/t.tmp', '/x'] },
  { sources: ['..'], tree: ['/anna', ...[...DOCUMENTS, '/link', '/t.tmp', '/x'].map((path) => `/anna${path}`), '/x'] },
  { sources: ['../anna/Documents/f'], tree: ['/anna', '/anna/Documents', '/anna/Documents/f'] },
  { sources: ['x', '../x', join(home, 'x')], tree: [...ABOVE_HOME, join(home, 'x'), '/x', '/x-1'] },
  { sources: ['.', '../x'], tree: [...DOCUMENTS, '/link', '/t.tmp', '/x', '/x-1'] },
  { sources: ['link/f'], tree: ['/link', '/link/f'] },
  { sources: [join(anna, 'x'), '../x'], tree: [...ABOVE_HOME, anna, join(anna, 'x'), '/x'] },
  { sources: ['.', 'Documents/f'], excludes: ['*.tmp'], tree: [...DOCUMENTS.slice(0, 3), '/link', '/x'] },
  {
    sources: ['Documents', 'Documents/y.tmp', 't.tmp'],
    excludes: ['*.tmp'],
    tree: [...DOCUMENTS, '/t.tmp'],
    since: 19,
  },
  {
    sources: ['.', 'Documents/sub'],
    excludes: ['Documents'],
    tree: ['/Documents', '/Documents/sub', '/link', '/t.tmp', '/x'],
    since: 19,
  },
];

/** A directory and those above it. */
function directoriesOf(directory: string): string[] {
  const names = directory.split('/').slice(1);
  return names.map((_, depth) => `/${names.slice(0, depth + 1).join('/')}`);
}

const nameOf = ({ sources, excludes = [] }: Case): string =>
  [...sources, ...excludes.map((each) => `--exclude ${each}`)].join(' ').replaceAll(scratch, '');

before(() => {
  mkdirSync(join(anna, 'Documents/sub'), { recursive: true });
  writeFileSync(join(anna, 'Documents/f'), 'f');
  writeFileSync(join(anna, 'Documents/y.tmp'), 'y');
  writeFileSync(join(anna, 't.tmp'), 't');
  writeFileSync(join(anna, 'x'), "anna's");
  writeFileSync(join(home, 'x'), 'of home');
  symlinkSync('Documents', join(anna, 'link'));
});

describe('backup lays out sources as restic does', () => {
  let sandbox: Sandbox;
  before(async () => {
    sandbox = await Sandbox.create(join(scratch, 'varve'));
  });

  for (const each of CASES)
    test(`for ${nameOf(each)}`, async () => {
      const { sources, excludes = [], directory = anna, tree } = each;
      const { snapshot, errors } = await sandbox.backup({
        sources: sources.map((path) => Buffer.from(path)),
        directory: Buffer.from(directory),
        filter: { ...NO_FILTER, excludes },
      });
      assert.equal(errors, 0);
      assert.deepEqual(await pathsIn(sandbox, snapshot.root), [...tree].sort());
      assert.ok(
        snapshot.paths.every((path) => path[0] === 0x2f),
        'the paths of a snapshot are absolute',
      );
    });
});

async function pathsIn(sandbox: Sandbox, root: Parameters<TreeReader['directory']>[0]): Promise<string[]> {
  const reader = new TreeReader(await sandbox.indexed());
  const paths: string[] = [];
  for await (const { path } of listTree(reader, root, Buffer.from('/'), { recursive: true }))
    paths.push(path.toString());
  return paths.sort();
}

describe('restic has the same layout', { skip: missingRestic() }, () => {
  for (const { program, version } of PEERS) {
    const repository = new ResticRepository(program);
    after(() => repository.remove());
    for (const each of CASES) {
      const skip = (each.since ?? 0) > version[1] && `only since restic 0.${each.since}`;
      test(`restic ${version.join('.')} for ${nameOf(each)}`, { skip }, () => {
        const { sources, excludes = [], directory = anna, tree } = each;
        const options = excludes.flatMap((pattern) => ['--exclude', pattern]);
        const backup = repository.run(['backup', '--json', ...options, ...sources], directory);
        assert.equal(backup.code, 0, backup.err);
        const { snapshot_id: id } = JSON.parse(backup.out.trimEnd().split('\n').at(-1) ?? '') as {
          snapshot_id: string;
        };
        const lines = repository.run(['ls', '--json', id]).out.trimEnd().split('\n').slice(1);
        assert.deepEqual(lines.map((line) => (JSON.parse(line) as { path: string }).path).sort(), [...tree].sort());
      });
    }
  }
  test('the layouts of restic’s newest version', { skip: missingRestic(19) }, () => undefined);
});

test('backup keeps the contents of a source whose name changed', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'renamed'));
  const backup = (parent?: 'latest') =>
    sandbox.backup({
      sources: ['x', '../x', '../anna/Documents'].map((path) => Buffer.from(path)),
      directory: Buffer.from(anna),
      parent,
      verbose: true,
    });
  const { snapshot } = await backup();
  const reader = new TreeReader(await sandbox.indexed());
  for (const [name, size] of [
    ['x', 6],
    ['x-1', 7],
  ] as const) {
    const { content } = await reader.find(snapshot.root, [Buffer.from(name)]);
    assert.equal(content?.size, size);
  }
  const again = await backup('latest');
  assert.deepEqual(again.snapshot.root, snapshot.root);
  assert.equal(again.summary.files_unmodified, again.summary.total_files_processed);
  const items = again.events.filter(({ kind }) => kind === 'item').map(({ path }) => path.toString());
  assert.deepEqual(items.filter((path) => !path.startsWith('/anna/')).sort(), ['/', '/anna', '/x', '/x-1']);
  assert.ok(items.includes('/anna/Documents/f'));
});

test('backup of a relative source ignores changes beside it', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'beside'));
  writeFileSync(join(sandbox.source, 'file'), 'x');
  const options = { sources: [Buffer.from('source')], skipIfUnchanged: true };
  const { id } = await sandbox.backup(options);
  assert.ok(id);
  writeFileSync(join(sandbox.directory, 'beside'), 'changes the folder that holds the source');
  const again = await sandbox.backup({ ...options, parent: 'latest' });
  assert.equal(again.id, undefined);
  const { summary } = await sandbox.backup({ sources: [Buffer.from('source')], parent: 'latest' });
  assert.deepEqual([summary.dirs_unmodified, summary.dirs_new, summary.dirs_changed], [1, 0, 0]);
});

test('backup fails when the only source is an empty working directory', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'empty'));
  const backup = sandbox.backup({ sources: [Buffer.from('.')], directory: Buffer.from(sandbox.source) });
  await assert.rejects(backup, { code: 'usage', message: /no snapshot was made/ });
});

test('backup excludes a tagged directory except for sources in it', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'tagged'));
  mkdirSync(join(sandbox.source, 'named'));
  for (const name of ['named/file', 'other', '.nobackup']) writeFileSync(join(sandbox.source, name), name);
  const { snapshot } = await sandbox.backup({
    sources: ['source', 'source/named'].map((path) => Buffer.from(path)),
    filter: { ...NO_FILTER, excludeIfPresent: ['.nobackup'] },
  });
  assert.deepEqual(await pathsIn(sandbox, snapshot.root), [
    '/source',
    '/source/.nobackup',
    '/source/named',
    '/source/named/file',
  ]);
});

test('a working directory that is given as a link is backed up by its contents, and `..` is where the directory is', async () => {
  const sandbox = await Sandbox.create(join(scratch, 'linked'));
  const link = join(scratch, 'elsewhere');
  symlinkSync(anna, link);
  const backup = async (source: string) => {
    const { snapshot } = await sandbox.backup({ sources: [Buffer.from(source)], directory: Buffer.from(link) });
    return { paths: snapshot.paths.map(String), tree: await pathsIn(sandbox, snapshot.root) };
  };
  assert.deepEqual(await backup('.'), { paths: [link], tree: [...DOCUMENTS, '/link', '/t.tmp', '/x'] });
  assert.deepEqual(await backup('x'), { paths: [join(link, 'x')], tree: ['/x'] });
  assert.deepEqual(await backup('../x'), { paths: [join(home, 'x')], tree: ['/x'] });
});
