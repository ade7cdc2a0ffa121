import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { Playground } from './varve.js';

const place = new Playground();
const source = place.files('source', { small: 'small', large: Buffer.alloc(3_000_000, 'large') });
let id = '';

before(async () => {
  await place.ok(['init']);
  id = await place.backup(join(source, 'small'), '--compression', 'off');
  const beneath = await place.beneath();
  const known = new Set(await beneath.names('data'));
  await place.ok(['forget', id]);
  id = await place.backup(source, '--compression', 'off');
  const largest = (await beneath.packs()).find((each) => !known.has(each));
  await beneath.remove('data', largest as string);
});

test('a dry run tells what is lost', async () => {
  const { code, out } = await place.run(['repair', 'snapshots', '--dry-run']);
  assert.equal(code, 3);
  assert.match(out, /^snapshot .{8}: .*\/source\/large: the file is left out: data blob .{64} is in no pack/);
  assert.match(out, /would get a new snapshot beside it\nwould modify 1 snapshot\n$/);
});

test('the copy restores without errors; the damaged one stays, or goes', async () => {
  const lines = (await place.run(['repair', 'snapshots', '--json'])).out.trimEnd().split('\n');
  const [lost, changed, summary] = lines.map((line) => JSON.parse(line) as Record<string, string>);
  assert.deepEqual([lost?.['message_type'], lost?.['snapshot'], lost?.['item']], ['lost', id, join(source, 'large')]);
  assert.equal(changed?.['old_snapshot_id'], id);
  assert.equal(summary?.['changed_snapshots'], 1);
  await place.ok(['restore', changed?.['new_snapshot_id'] ?? '', '--target', place.path('restored')]);
  const ids = async () => (await place.json<{ id: string }[]>(['snapshots'])).map((each) => each.id);
  assert.equal((await ids()).length, 2);
  assert.equal((await place.run(['repair', 'snapshots', '--forget', id])).code, 3);
  assert.equal((await ids()).length, 2);
  assert.equal((await ids()).includes(id), false);
  assert.match((await place.ok(['repair', 'snapshots'])).out, /no snapshots were modified\n$/);
});

test('repair snapshots --forget removes a snapshot that is named and whose object is damaged, and nothing without --forget', async () => {
  const broken = await place.backup(join(source, 'small'));
  const beneath = await place.beneath();
  await beneath.change('snapshots', broken, (bytes) => bytes.subarray(0, bytes.length - 1));
  const env = { XDG_CACHE_HOME: place.path('another-cache') };
  assert.equal((await place.run(['repair', 'snapshots', broken], { env })).code, 1);
  assert.ok((await beneath.names('snapshots')).includes(broken));
  const { out } = await place.ok(['repair', 'snapshots', '--forget', broken.slice(0, 12)], { env });
  assert.match(out, /^removed the damaged snapshot [0-9a-f]{8}$/m);
  assert.equal((await beneath.names('snapshots')).includes(broken), false);
});
