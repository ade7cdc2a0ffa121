import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { VarveError } from '../../src/errors/errors.js';
import { prune } from '../../src/prune/prune.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { PASSWORD, scratchDirectory } from '../backup/sandbox.js';
import { Dying, imageOf, reset } from '../storage/dying-store.js';
import { share } from '../whole.js';
import { DAY, Prunable } from './repository.js';

const scratch = scratchDirectory();
test('prune loses nothing when it ends at any step, and the next one continues', {
  timeout: 300_000,
}, async () => {
  let dying: Dying | undefined;
  const prunable = await Prunable.create(join(scratch, 'crash'), (store) => {
    dying = new Dying(store);
    return dying;
  });
  const store = dying as unknown as Dying;
  prunable.write(['a', 'b', 'c', 'd']);
  const first = await prunable.backup();
  prunable.remove('a');
  prunable.remove('c');
  prunable.write(['e']);
  await prunable.backup();
  await prunable.forget(first);
  const image = await imageOf(store);
  let ended = false;
  let steps = 0;
  for (; !ended; steps++) {
    await reset(store, prunable.beneath, image);
    store.left = steps;
    try {
      await prunable.prune({ graceSeconds: 0 });
      ended = true;
    } catch (cause) {
      assert.equal(VarveError.from(cause).message, 'the store is gone');
    }
    store.left = Number.POSITIVE_INFINITY;
    await prunable.verify();
    // The lease of the dead one is stale by then.
    prunable.now += 2 * DAY;
    await prunable.prune({ graceSeconds: 0 });
    await prunable.verify();
    const { remove, repack, waiting, orphans } = await prunable.prune({ graceSeconds: 0 });
    assert.deepEqual([remove.packs, repack.packs, waiting.packs, orphans.packs], [0, 0, 0, 0], `after step ${steps}`);
  }
  assert.ok(steps >= 8, `${steps} steps`);
});

test('prune keeps every snapshot whole in any sequence of backups, forgets and prunes', {
  timeout: 300_000,
}, async () => {
  let runs = 0;
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('backup' as const), files: fc.array(fc.nat(9), { maxLength: 4 }) }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('forget' as const), which: fc.nat(20) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('prune' as const),
        grace: fc.constantFrom(0, DAY),
        small: fc.boolean(),
        waste: fc.constantFrom(0, 0.3),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), days: fc.integer({ min: 1, max: 3 }) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 14 }), async (steps) => {
      const prunable = await Prunable.create(join(scratch, `history-${runs++}`));
      prunable.write(['0', '1'], 600_000);
      for (const each of steps) {
        if (each.do === 'backup') {
          for (const file of each.files) {
            if (file % 3 === 0) prunable.remove(String(file));
            else prunable.write([String(file)], 600_000);
          }
          await prunable.backup();
        } else if (each.do === 'forget') {
          const ids = [...prunable.contents.keys()];
          const id = ids[each.which % ids.length];
          if (id !== undefined) await prunable.forget(id);
        } else if (each.do === 'wait') prunable.now += each.days * DAY;
        else {
          const { grace: graceSeconds, small: repackSmall, waste } = each;
          await prunable.prune({ graceSeconds, repackSmall, maxUnused: { part: waste } });
        }
        await prunable.verify();
      }
      assert.equal((await prunable.names('snapshots')).length, prunable.contents.size);
    }),
    share(2, Number(process.env['VARVE_PRUNE_RUNS'] ?? 6)),
  );
});

test('prune does nothing in an empty repository', async () => {
  const prunable = await Prunable.create(join(scratch, 'empty'));
  const repository = await openRepository(prunable.store, {
    unlock: { password: PASSWORD },
    cacheDirectory: undefined,
  });
  const result = await prune(repository, {
    maxUnused: { part: 0.05 },
    maxRepack: Number.POSITIVE_INFINITY,
    repackSmall: false,
    graceSeconds: 0,
    dryRun: false,
  });
  assert.equal(result.blobs.total, 0, 'an empty repository has nothing to prune');
});
