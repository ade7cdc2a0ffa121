import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { ContentRef } from '../../src/format/content.js';
import type { Overwrite } from '../../src/restore/options.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { assertSameTree, treeImage } from '../backup/tree-image.js';
import { isVarveError } from '../errors/expect-error.js';

const scratch = scratchDirectory();
const sandbox = await Sandbox.create(join(scratch, 'box'));
const SECONDS = 1_600_000_000;

const FILES: Record<string, string> = {
  same: 'unchanged',
  content: 'from the snapshot',
  older: 'from the snapshot',
  newer: 'from the snapshot',
  longer: 'from the snapshot',
  'new': 'from the snapshot',
  'folder/deep/file': 'from the snapshot',
  'folder/other.txt': 'from the snapshot',
};

for (const [name, text] of Object.entries(FILES)) {
  const path = join(sandbox.source, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  utimesSync(path, SECONDS, SECONDS);
}
writeFileSync(join(sandbox.source, 'large'), randomBytes(6_000_000));
symlinkSync('content', join(sandbox.source, 'link'));
const root: ContentRef = await sandbox.sourceIn((await sandbox.backup()).snapshot.root);
let number = 0;

/** A target with some files that are there already. */
function usedTarget(): string {
  const target = join(scratch, `target-${number++}`);
  mkdirSync(target);
  const put = (name: string, text: string, seconds: number): void => {
    writeFileSync(join(target, name), text);
    utimesSync(join(target, name), seconds, seconds);
  };
  put('same', 'unchanged', SECONDS);
  put('content', 'from before-------'.slice(0, 17), SECONDS);
  put('older', 'from before', SECONDS - 100);
  put('newer', 'from before', SECONDS + 100);
  put('longer', 'from before, and more', SECONDS);
  put('extra', 'not in the snapshot', SECONDS);
  mkdirSync(join(target, 'extra folder'));
  put('extra folder/file', 'not in the snapshot', SECONDS);
  return target;
}

const text = (target: string, name: string): string => readFileSync(join(target, name), 'utf8');
const RESTORED = 'from the snapshot';

test('--overwrite decides which files are replaced', async () => {
  const expected: Record<Overwrite, Record<string, boolean>> = {
    always: { content: true, older: true, newer: true, longer: true },
    'if-changed': { content: false, older: true, newer: true, longer: true },
    'if-newer': { content: false, older: true, newer: false, longer: false },
    never: { content: false, older: false, newer: false, longer: false },
  };
  for (const [overwrite, replaced] of Object.entries(expected) as [Overwrite, Record<string, boolean>][]) {
    const target = usedTarget();
    const { progress } = await sandbox.restore(root, { target, overwrite });
    assert.equal(progress.errors, 0);
    for (const [name, isReplaced] of Object.entries(replaced))
      assert.equal(text(target, name) === RESTORED, isReplaced, `${overwrite}: ${name}`);
    assert.equal(text(target, 'same'), 'unchanged');
    assert.equal(text(target, 'new'), RESTORED);
    assert.equal(text(target, 'folder/deep/file'), RESTORED);
    assert.equal(text(target, 'extra'), 'not in the snapshot');
    assert.equal(progress.filesRestored + progress.filesSkipped, 10);
  }
});

test('restore with if-changed leaves correct files alone', async () => {
  const target = join(scratch, 'again');
  await sandbox.restore(root, { target });
  const inodes = (): bigint[] =>
    ['content', 'large', 'folder/deep/file'].map((name) => lstatSync(join(target, name), { bigint: true }).ino);
  const before = inodes();
  unlinkSync(join(target, 'new'));
  const { progress } = await sandbox.restore(root, { target, overwrite: 'if-changed' });
  assert.deepEqual(inodes(), before);
  assert.equal(progress.filesRestored, 1);
  assertSameTree(target, sandbox.source);
});

test('--delete removes exactly what the snapshot lacks', async () => {
  const target = usedTarget();
  symlinkSync('nowhere', join(target, 'extra link'));
  const { progress } = await sandbox.restore(root, { target, delete: true });
  assertSameTree(target, sandbox.source);
  assert.equal(progress.filesDeleted, 4);
});

test('--delete with includes removes only what is included', async () => {
  const target = usedTarget();
  mkdirSync(join(target, 'folder'));
  writeFileSync(join(target, 'folder/stale'), 'x');
  await sandbox.restore(root, { target, delete: true, includes: [{ patterns: ['/folder'], insensitive: false }] });
  assert.deepEqual(readdirSync(join(target, 'folder')).sort(), ['deep', 'other.txt']);
  assert.ok(existsSync(join(target, 'extra')));
  assert.equal(text(target, 'older'), 'from before');
});

test('includes and excludes select by path, with the directories above', async () => {
  const restored = async (choice: { includes?: string[]; excludes?: string[] }): Promise<string[]> => {
    const spec = (patterns: string[] = []) => [{ patterns, insensitive: false }];
    const { target } = await sandbox.restore(root, {
      includes: spec(choice.includes),
      excludes: spec(choice.excludes),
    });
    return treeImage(target).map((line) => line.split(' ')[0] as string);
  };
  assert.deepEqual(await restored({ includes: ['*.txt'] }), ['/folder', '/folder/other.txt']);
  assert.deepEqual(await restored({ includes: ['/folder/deep'] }), ['/folder', '/folder/deep', '/folder/deep/file']);
  assert.deepEqual(await restored({ includes: ['nothing'] }), []);
  const without = await restored({ excludes: ['folder', '*er', 'large', 'link'] });
  assert.deepEqual(without, ['/content', '/new', '/same']);
});

test('restore sets times and modes of existing directories above', async () => {
  const target = join(scratch, 'folders');
  mkdirSync(join(target, 'folder'), { recursive: true });
  chmodSync(join(target, 'folder'), 0o700);
  await sandbox.restore(root, { target });
  assertSameTree(target, sandbox.source);
});

test('restore reports a directory in place of a file, or removes it with --delete', async () => {
  const target = join(scratch, 'in-the-way');
  mkdirSync(join(target, 'content/below'), { recursive: true });
  const { progress, events } = await sandbox.restore(root, { target });
  assert.equal(progress.errors, 1);
  assert.deepEqual(
    events.map((event) => event.path.toString()),
    ['/content'],
  );
  assert.equal(text(target, 'new'), RESTORED);
  await sandbox.restore(root, { target, delete: true });
  assertSameTree(target, sandbox.source);
});

test('restore replaces a file in place of a directory', async () => {
  const target = join(scratch, 'file-in-the-way');
  mkdirSync(target);
  writeFileSync(join(target, 'folder'), 'x');
  const { progress } = await sandbox.restore(root, { target });
  assert.equal(progress.errors, 0);
  assertSameTree(target, sandbox.source);
});

test('--verify passes after a restore, and reports what is wrong', async () => {
  const fine = await sandbox.restore(root, { verify: true });
  assert.deepEqual(fine.events, []);
  for (const [name, spoil] of Object.entries({
    large: (path: string) => appendFileSync(path, 'x'),
    new: (path: string) => writeFileSync(path, 'short'),
    older: (path: string) => writeFileSync(path, 'from the SNAPSHOT'),
  })) {
    const target = join(scratch, `verified-${name}`);
    const path = join(target, name);
    // A disk that loses what was written, between writing and reading back, is played by who is told of each file.
    const messages: string[] = [];
    await sandbox.restore(root, {
      target,
      verify: true,
      verbose: true,
      onEvent: (event) => {
        if (event.kind === 'item' && event.path.toString() === `/${name}`) spoil(path);
        if (event.kind === 'error') messages.push(`${event.path}: ${event.message}`);
      },
    });
    assert.equal(messages.length, 1, `${name}: ${messages}`);
    assert.match(messages[0] as string, new RegExp(`^/${name}: (is longer|is shorter|differs)`));
  }
});

test('no file stays open after a restore', {
  skip: !existsSync('/proc/self/fd') && 'nowhere to count them',
}, async () => {
  const open = (): number => readdirSync('/proc/self/fd').length;
  await sandbox.restore(root);
  const before = open();
  for (let round = 0; round < 3; round++) await sandbox.restore(root, { verify: true });
  await assert.rejects(sandbox.restore(root, { signal: AbortSignal.abort() }));
  assert.ok(open() <= before + 2, `${open()} are open, ${before} were`);
});

test('restore changes nothing in a dry run', async () => {
  const target = join(scratch, 'dry');
  const { progress } = await sandbox.restore(root, { target, dryRun: true });
  assert.ok(!existsSync(target));
  assert.equal(progress.filesRestored, 10);
});

test('a dry run reports what the restore then does', async () => {
  linkSync(join(sandbox.source, 'large'), join(sandbox.source, 'second name'));
  const linked = await sandbox.sourceIn((await sandbox.backup()).snapshot.root);
  for (const overwrite of ['always', 'if-changed', 'if-newer', 'never'] as const) {
    for (const remove of [false, true]) {
      const target = usedTarget();
      mkdirSync(join(target, 'extra folder/below'), { recursive: true });
      writeFileSync(join(target, 'extra folder/below/file'), '');
      const options = { target, overwrite, delete: remove, verbose: true } as const;
      const image = treeImage(target);
      const would = await sandbox.restore(linked, { ...options, dryRun: true });
      assertSameTree(target, image);
      const done = await sandbox.restore(linked, options);
      assert.deepEqual(would.progress, done.progress);
      const told = ({ events }: typeof done): string[] =>
        events.map((event) => `${event.path} ${event.kind === 'item' ? event.action : event.message}`).sort();
      assert.deepEqual(told(would), told(done));
    }
  }
  unlinkSync(join(sandbox.source, 'second name'));
});

test('restore leaves no half files when it is aborted, and can run again', async () => {
  const target = join(scratch, 'aborted');
  const abort = new AbortController();
  const running = sandbox.restore(root, { target, signal: abort.signal, verbose: true, onEvent: () => abort.abort() });
  await assert.rejects(running, isVarveError('interrupted', /run the same restore again to continue/));
  const wanted = new Map(treeImage(sandbox.source).map((line) => [line.split(' ')[0], line]));
  for (const line of treeImage(target)) {
    const [path] = line.split(' ');
    if (path?.startsWith('/.varve-part-')) continue;
    assert.ok(wanted.has(path), `${path} is left`);
    if (lstatSync(join(target, path as string)).isFile()) assert.equal(line, wanted.get(path));
  }
  await sandbox.restore(root, { target, overwrite: 'if-changed' });
  assertSameTree(target, sandbox.source);
});

test('restore names a target that cannot be made', async () => {
  const file = join(scratch, 'a-file');
  writeFileSync(file, '');
  await assert.rejects(
    sandbox.restore(root, { target: join(file, 'below') }),
    isVarveError('target', /a-file\/below: not a directory/),
  );
  for (const dryRun of [false, true])
    await assert.rejects(sandbox.restore(root, { target: file, dryRun }), isVarveError('target', /a-file: /));
});

test('restore links to files that it left alone', async () => {
  const box = await Sandbox.create(join(scratch, 'links'));
  for (const name of ['a', 'b', 'c']) {
    if (name === 'a') writeFileSync(join(box.source, name), 'content');
    else linkSync(join(box.source, 'a'), join(box.source, name));
  }
  const { snapshot } = await box.backup();
  for (const missing of [['a'], ['b'], ['b', 'c'], ['a', 'b']]) {
    for (const overwrite of ['always', 'if-changed'] as const) {
      const { target } = await box.restoreSource(snapshot.root);
      for (const name of missing) unlinkSync(join(target, name));
      const { progress } = await box.restoreSource(snapshot.root, { target, overwrite });
      assert.equal(progress.errors, 0, `${missing} ${overwrite}`);
      assertSameTree(target, box.source);
      assert.deepEqual(readdirSync(target), ['a', 'b', 'c']);
    }
  }
});
