import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { before, test } from 'node:test';
import type { Beneath } from '../servers/beneath.js';
import { Playground } from './varve.js';

const place = new Playground();
const BAD = `${'0'.repeat(63)}1`;
let beneath: Beneath;
const index = (): Promise<string[]> => beneath.names('index');

before(async () => {
  await place.ok(['init']);
  await place.backup(place.files('source', { letter: 'Dear all' }));
  beneath = await place.beneath();
});

test('repair index: says what was wrong, does nothing in a dry run, and mends it', async () => {
  assert.match((await place.ok(['repair', 'index'])).out, /^the index is as it should be$/m);
  assert.equal((await place.ok(['repair', 'index', '-q'])).out, '');
  for (const name of await index()) await beneath.remove('index', name);
  const dry = await place.ok(['repair', 'index', '--dry-run']);
  assert.match(dry.out, /^2 packs: 2 packs that no index object lists\na dry run: nothing was changed/);
  assert.deepEqual(await index(), []);
  const { out } = await place.ok(['repair', 'index']);
  assert.match(
    out,
    /^2 packs: 2 packs that no index object lists\nrebuilt the index: 1 object instead of 0\nread 2 packs: backups can rely on them\n$/,
  );
  assert.match((await place.ok(['check', '--read-data'])).out, /^no errors were found/);
});

test('repair index: a damaged object, as JSON; a damaged pack is an error', async () => {
  const [name, ...others] = await index();
  for (const other of others) await beneath.remove('index', other);
  await beneath.plant('index', name as string, Buffer.from('nothing'));
  await beneath.plant('data', BAD, Buffer.from('no pack'));
  const { code, out, err } = await place.run(['repair', 'index', '--json']);
  const summary = JSON.parse(out) as Record<string, unknown>;
  assert.equal(code, 1);
  assert.deepEqual(
    [summary.message_type, summary.packs_added, summary.damaged_index_objects, summary.replaced],
    ['summary', 2, 1, [name]],
  );
  const error = JSON.parse(err.split('\n')[0] ?? '') as Record<string, unknown>;
  assert.deepEqual([error.message_type, error.item], ['error', BAD]);
  const text = await place.run(['repair', 'index']);
  assert.match(text.err, /^error: data\/0{63}1: too short for a pack; `varve repair packs 0{63}1` saves what/);
  await beneath.remove('data', BAD);
  assert.equal((await place.run(['repair', 'index'])).code, 0);
});

test('repair packs: keeps a copy, says what is lost and what to do', async () => {
  const other = new Playground();
  await other.ok(['init']);
  await other.backup(other.files('source', { large: randomBytes(300_000) }));
  const packs = await other.beneath();
  const [name] = (await packs.packs()) as [string];
  await packs.change('data', name, (bytes) => bytes.fill((bytes[100] as number) ^ 1, 100, 101));
  const bytes = await packs.get('data', name);
  const none = await other.run(['repair', 'packs']);
  assert.match(none.err, /^Fatal: the names of packs are missing: `varve check --read-data` names/);
  assert.match((await other.run(['repair', 'packs', 'ffff', '-q'])).err, /^Fatal: no pack matches "ffff"$/m);
  const { code, out } = await other.run(['repair', 'packs', `data/${name.slice(0, 10)}`]);
  assert.equal(code, 1, 'something is lost');
  assert.match(out, /^kept a copy of the damaged pack: .*\/pack-[0-9a-f]{64}$/m);
  assert.match(
    out,
    /^removed 1 pack; stored 0 blobs of them again\nlost: \d+ blobs?\. .*`varve repair snapshots --forget`/m,
  );
  assert.ok(readFileSync(other.path(`pack-${name}`)).equals(bytes));
  const again = await other.run(['repair', 'packs', name]);
  assert.deepEqual([again.code, /^error: data\/[0-9a-f]{64}: is missing/.test(again.err)], [1, true]);
  await other.backup('--force', other.path('source'));
  assert.match((await other.ok(['check', '--read-data'])).out, /^no errors were found/m);
});

test('recover: a snapshot that was forgotten is a directory of a new one', async () => {
  const other = new Playground();
  await other.ok(['init']);
  const source = other.files('source', { letter: 'Dear all' });
  const id = await other.backup(source);
  assert.match((await other.ok(['recover'])).out, /^no unreferenced directories found/);
  await other.ok(['forget', id]);
  const { out } = await other.ok(['recover']);
  assert.match(out, /^snapshot [0-9a-f]{8} saved, with 1 directory\n$/);
  const listed = (await other.ok(['ls', 'latest', '--tag', 'recovered', '/recovered'])).out;
  const directory = /\/recovered\/[0-9a-f]{64}/.exec(listed)?.[0] as string;
  await other.ok(['restore', `latest:${directory}${source}`, '--tag', 'recovered', '--target', other.path('back')]);
  assert.equal(readFileSync(other.path('back', 'letter'), 'utf8'), 'Dear all');
});

test('a damaged snapshot: check says what to do, recover brings back what it held, forget removes it', async () => {
  const other = new Playground();
  await other.ok(['init']);
  const source = other.files('source', { letter: 'Dear all' });
  const id = await other.backup(source);
  await (await other.beneath()).plant('snapshots', id, Buffer.from('nothing'));
  const short = id.slice(0, 8);
  const { err } = await other.run(['check']);
  assert.match(
    err,
    new RegExp(`\`varve recover\` makes another of what it held, and \`varve forget ${short}\` removes it`),
  );
  assert.match((await other.ok(['recover'])).out, /^snapshot [0-9a-f]{8} saved, with 1 directory$/m);
  // This machine remembers what was in it.
  rmSync(other.path('cache'), { recursive: true });
  const dry = await other.ok(['forget', short, '--dry-run']);
  assert.equal(dry.out, `would remove snapshot ${short}, which cannot be opened\n`);
  assert.equal((await other.run(['forget', 'abcdef'])).code, 1);
  const { out } = await other.ok(['forget', short, '--prune']);
  assert.match(out, new RegExp(`^removed snapshot ${short}, which cannot be opened\n`));
  assert.match((await other.ok(['check', '--read-data'])).out, /^no errors were found/m);
  assert.equal((await other.json<unknown[]>(['snapshots'])).length, 1);
});
