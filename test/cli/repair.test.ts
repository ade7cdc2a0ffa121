import assert from 'node:assert/strict';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { Playground } from './varve.js';

const place = new Playground();
const BAD = `${'0'.repeat(63)}1`;
const index = (): string[] => readdirSync(place.path('repo', 'index'));

before(async () => {
  await place.ok(['init']);
  await place.backup(place.files('source', { letter: 'Dear all' }));
});

test('repair index: says what was wrong, does nothing in a dry run, and mends it', async () => {
  assert.match((await place.ok(['repair', 'index'])).out, /^the index is as it should be$/m);
  assert.equal((await place.ok(['repair', 'index', '-q'])).out, '');
  for (const name of index()) rmSync(place.path('repo', 'index', name));
  const dry = await place.ok(['repair', 'index', '--dry-run']);
  assert.match(dry.out, /^2 packs: 2 packs in no index object\na dry run: nothing was changed/);
  assert.deepEqual(index(), []);
  const { out } = await place.ok(['repair', 'index']);
  assert.match(out, /^2 packs: 2 packs in no index object\nthe index is made anew: 1 object in the place of 0\n$/);
  assert.match((await place.ok(['check', '--read-data'])).out, /^no errors were found/);
});

test('repair index: a damaged object, as JSON; a damaged pack is an error', async () => {
  const [name] = index();
  writeFileSync(place.path('repo', 'index', name as string), 'nothing');
  const damagedPack = place.path('repo', 'data', '00', BAD);
  place.files('repo', { [`data/00/${BAD}`]: 'no pack' });
  const { code, out, err } = await place.run(['repair', 'index', '--json']);
  const summary = JSON.parse(out) as Record<string, unknown>;
  assert.equal(code, 1);
  assert.deepEqual(
    [summary.message_type, summary.packs_added, summary.damaged_index_objects, summary.replaced],
    ['summary', 2, 1, [name]],
  );
  const error = JSON.parse(err) as Record<string, unknown>;
  assert.deepEqual([error.message_type, error.item], ['error', BAD]);
  const text = await place.run(['repair', 'index']);
  assert.match(text.err, /^error: data\/0{63}1: too short for a pack; `varve repair packs 0{63}1` saves what/);
  rmSync(damagedPack);
  assert.equal((await place.run(['repair', 'index'])).code, 0);
});
