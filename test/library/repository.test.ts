import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { parseGrace, parseRepackSize, parseUnused } from '../../src/cli/commands/prune/options.js';
import { parseSize } from '../../src/filesystem/filter.js';
import { MemoryStore, MOUNT_DEFAULTS, PRUNE_DEFAULTS, Repository } from '../../src/index.js';
import { scratchDirectory } from '../backup/sandbox.js';

const scratch = scratchDirectory();
const source = join(scratch, 'source');
const store = new MemoryStore();
const password = 'a password';
/** A name of bytes that are not UTF-8. */
const ODD = Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0xff, 0x2d])]);
let repository: Repository;

before(async () => {
  mkdirSync(source);
  writeFileSync(join(source, 'dense'), randomBytes(3_000_000));
  writeFileSync(ODD, 'odd');
  const sparse = openSync(join(source, 'sparse'), 'w');
  for (const at of [200_000, 4_000_000, 9_000_000]) writeSync(sparse, randomBytes(100_000), 0, 100_000, at);
  closeSync(sparse);
  repository = await Repository.create(store, { password });
  await repository.backup(source, { tags: ['first'] });
});

async function bytesOf(path: string | Uint8Array, range = {}): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of await repository.open('latest', path, range)) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

for (const name of ['dense', 'sparse'])
  test(`open reads any range when a file is ${name}`, async () => {
    const path = join(source, name);
    const whole = readFileSync(path);
    assert.ok((await bytesOf(path)).equals(whole));
    const offset = fc.integer({ min: 0, max: whole.length + 10 });
    await fc.assert(
      fc.asyncProperty(offset, offset, async (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        assert.ok((await bytesOf(path, { start, end })).equals(whole.subarray(start, end)));
      }),
      { numRuns: 30 },
    );
  });

test('methods accept paths as bytes when they are not UTF-8', async () => {
  assert.equal((await bytesOf(ODD)).toString(), 'odd');
  const { errors } = await repository.backup([ODD], { tags: ['odd'] });
  assert.equal(errors, 0);
  const found = await repository.snapshots({ tags: ['odd'] });
  assert.deepEqual(found[0]?.snapshot.paths, [ODD]);
});

test('open names the type of an entry when it is not a file', async () => {
  await assert.rejects(bytesOf(source), { code: 'usage', message: `${source}: is a directory, not a file` });
  await assert.rejects(bytesOf('/'), { code: 'usage' });
  await assert.rejects(bytesOf(`${source}/none`), { code: 'not-found' });
});

test('open throws the codes of the command line when it fails', async () => {
  await assert.rejects(Repository.open(store, { password: 'another' }), { code: 'wrong-password' });
  await assert.rejects(Repository.open(join(scratch, 'none'), { password }), { code: 'no-repository' });
  await assert.rejects(Repository.open(store, {}), { code: 'usage' });
  await assert.rejects(Repository.create(store, { password }), { code: 'repository-exists' });
});

test('backup finds its parent, applies filters and reports progress', async () => {
  let reports = 0;
  const options = { excludes: ['sparse'], onProgress: () => void reports++ };
  const { snapshot, summary } = await repository.backup([source], options);
  const first = await repository.snapshot('latest', { tags: ['first'] });
  assert.equal(snapshot.parent?.toString('hex'), first.id);
  assert.equal(summary.total_files_processed, 2);
  assert.ok(reports > 0);
  const alone = await repository.backup(source, { parent: null, dryRun: true });
  assert.equal(alone.id, undefined);
  assert.equal(alone.snapshot.parent, undefined);
});

test('backup and restore end when their signal is aborted', async () => {
  const signal = AbortSignal.abort();
  await assert.rejects(repository.backup(source, { signal }), { code: 'interrupted' });
  await assert.rejects(repository.restore('latest', join(scratch, 'aborted'), { signal }), { code: 'interrupted' });
});

test('restore restores a part when patterns or a path are given', async () => {
  const target = join(scratch, 'restored');
  const first = await repository.snapshot('latest', { tags: ['first'] });
  const { errors } = await repository.restore(first, target, { path: source, include: ['d*'] });
  assert.equal(errors, 0);
  assert.deepEqual(readdirSync(target), ['dense']);
});

test('prune removes data when forget has removed their snapshots', async () => {
  const planned = await repository.forget({ keep: { last: 1 }, groupBy: { paths: false }, dryRun: true });
  const count = (await repository.snapshots()).length;
  assert.equal(planned.groups[0]?.remove.length, count - 1);
  await repository.forget({ keep: { last: 1 }, groupBy: { paths: false } });
  assert.equal((await repository.snapshots()).length, 1);
  const { remove, errors } = await repository.prune();
  assert.ok(remove.packs > 0);
  assert.equal(errors, 0);
  const { findings } = await repository.check({ readData: true });
  assert.deepEqual(findings, []);
  assert.ok((await bytesOf(join(source, 'dense'))).length > 0);
});

test('options have the defaults of the command line when they are left out', () => {
  const { maxUnused, maxRepack, graceSeconds } = PRUNE_DEFAULTS;
  assert.deepEqual(
    [maxUnused, maxRepack, graceSeconds],
    [parseUnused('5%'), parseRepackSize(undefined), parseGrace('1d')],
  );
  assert.equal(MOUNT_DEFAULTS.cacheSize, parseSize('128M'));
});

test('backup rejects and makes no snapshot when its stream fails', async () => {
  const before = (await repository.snapshots()).length;
  await assert.rejects(repository.backup({ path: '/x', bytes: fails() }), /the source failed/);
  assert.equal((await repository.snapshots()).length, before);
});

// biome-ignore lint/correctness/useYield: it fails before it yields
async function* fails(): AsyncGenerator<Uint8Array> {
  throw new Error('the source failed');
}
