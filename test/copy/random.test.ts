import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { copySnapshots } from '../../src/copy/copy.js';
import { editSnapshots } from '../../src/copy/rewrite.js';
import { NO_FILTER } from '../../src/filesystem/filter.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import type { StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { restore } from '../../src/restore/restore.js';
import { step } from '../backup/random-steps.js';
import { apply, empty } from '../backup/random-tree.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { assertSameTree, treeImage } from '../backup/tree-image.js';
import { share } from '../whole.js';
import { Target } from './target.js';

const scratch = scratchDirectory();
const history = fc.tuple(
  fc.array(step, { minLength: 1, maxLength: 25 }),
  fc.array(fc.array(step, { maxLength: 8 }), { minLength: 1, maxLength: 2 }),
);

test('copySnapshots preserves trees when they are random and change', { timeout: 240_000 }, async () => {
  const sandbox = await Sandbox.create(join(scratch, 'copied'));
  const target = await Target.create(scratch);
  const compression = 'auto' as const;
  await fc.assert(
    fc.asyncProperty(history, async ([initial, changes]) => {
      empty(sandbox.source);
      for (const change of [initial, ...changes]) {
        apply(sandbox.source, change);
        const image = treeImage(sandbox.source);
        await sandbox.backup({ parent: 'latest' });
        const all = await sandbox.snapshots();
        const { failed } = await copySnapshots(
          await sandbox.indexed(),
          await target.open(),
          { all, chosen: all },
          { compression },
        );
        assert.equal(failed, 0);
        const newest = (await target.snapshots()).at(-1) as StoredSnapshot;
        const indexed = await loadIndex(await target.open());
        const restored = join(scratch, 'restored');
        const root = await sandbox.sourceIn(newest.snapshot.root, sandbox.source, indexed);
        await restore(indexed, { root, target: restored, setOwner: process.getuid?.() === 0, threads: 1 });
        assertSameTree(restored, image);
        rmSync(restored, { recursive: true });
      }
    }),
    { ...share(2, 6), endOnFailure: true },
  );
});

test('editSnapshots makes the tree of a backup with the same excludes when trees are random', {
  timeout: 240_000,
}, async () => {
  const sandbox = await Sandbox.create(join(scratch, 'rewritten'));
  const pattern = fc.constantFrom('a*', '[b-m]?', '*e*', '?', '!*a', '**/d', '*/*');
  const patterns = fc.array(pattern, { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(history, patterns, async ([initial], names) => {
      empty(sandbox.source);
      apply(sandbox.source, initial);
      const excludes = names.map((each) => each.replace(/^(!?)/, `$1${sandbox.source}/**/`));
      const { id } = await sandbox.backup();
      const stored = (await sandbox.snapshots()).find((each) => each.id === id) as StoredSnapshot;
      const options = { excludes, iexcludes: [], summary: false, forget: false, compression: 'auto' } as const;
      const { changed } = await editSnapshots(await sandbox.open(), [stored], options);
      const rewritten = (await sandbox.snapshots()).find(({ snapshot }) => snapshot.original?.toString('hex') === id);
      assert.equal(changed, rewritten === undefined ? 0 : 1);
      const { snapshot, summary } = await sandbox.backup({ filter: { ...NO_FILTER, excludes } });
      const result = (rewritten ?? stored).snapshot;
      assert.deepEqual(await sandbox.sourceIn(result.root), await sandbox.sourceIn(snapshot.root));
      assert.equal(result.summary?.total_files_processed, summary.total_files_processed);
      assert.equal(result.summary?.total_bytes_processed, summary.total_bytes_processed);
    }),
    { ...share(4, 12), endOnFailure: true },
  );
});
