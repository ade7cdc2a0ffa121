import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { Playground } from './varve.js';

interface Summary {
  readonly message_type: string;
  readonly dry_run: boolean;
  readonly packfiles: Record<string, number>;
}

const place = new Playground();
const source = place.files('source', { a: 'a' });
const LARGE = 5_000_000;
let first = '';

const packs = async (): Promise<string[]> => (await place.beneath()).names('data');

const prune = (...args: string[]): Promise<Summary> => place.json<Summary>(['prune', ...args]);

before(async () => {
  await place.ok(['init']);
  writeFileSync(join(source, 'large'), randomBytes(LARGE));
  first = await place.backup(source);
  writeFileSync(join(source, 'large'), 'short');
  await place.backup(source);
});

test('options that make no sense are refused', async () => {
  const refused: [string[], RegExp][] = [
    [['--max-unused', 'x'], /--max-unused: "x" is not a size such as 5%, 2G or unlimited/],
    [['--max-unused', '100%'], /--max-unused: "100%" must be less than 100%/],
    [['--max-repack-size', '-'], /--max-repack-size: "-" is not a size such as 500M or 2G/],
    [['--grace', '1x'], /--grace: "1x" is not a duration: use years, months, weeks, days and hours/],
    [['--grace', '5'], /--grace: "5" is not a duration/],
  ];
  for (const [args, message] of refused) {
    for (const command of [['prune'], ['forget', '--keep-last', '5', '--prune']]) {
      const { code, err } = await place.run([...command, ...args]);
      assert.equal(code, 1, args.join(' '));
      assert.match(err, message);
    }
  }
});

test('forget --prune removes the snapshots, then what only they needed: now condemned, later deleted', async () => {
  const before = await packs();
  const dry = await place.run(['forget', first, '--prune', '--dry-run']);
  assert.equal(dry.code, 0, dry.err);
  assert.match(dry.out, /^to repack: 1 pack of [45]\.\d+ MiB$/m);
  assert.match(dry.out, /^a dry run: nothing was changed$/m);
  assert.deepEqual(await packs(), before);
  const done = await place.run(['forget', first, '--prune']);
  assert.equal(done.code, 0, done.err);
  assert.match(done.out, /^condemned: \d+ packs? of \S+ MiB; a prune deletes them when the grace time has passed$/m);
  assert.ok((await packs()).length >= before.length);
  const early = await prune();
  assert.equal(early.packfiles['deleted'], 0);
  const last = await prune('--grace', '0');
  assert.equal(last.message_type, 'summary');
  assert.ok((last.packfiles['deleted'] as number) > 0);
  assert.ok((await packs()).length < before.length);
  const { out } = await place.run(['dump', 'latest', join(source, 'large')]);
  assert.equal(out, 'short');
});

test('it is quiet when told so', async () => {
  const { code, out, err } = await place.run(['prune', '-q']);
  assert.deepEqual([code, out, err], [0, '', '']);
});
