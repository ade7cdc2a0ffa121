import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Playground } from './varve.js';

interface Listed {
  readonly id: string;
  readonly time: string;
  readonly tags?: string[];
  readonly original?: string;
}

const place = new Playground();
const source = place.files('source', { a: 'a' });
let web1 = '';
let web2 = '';

before(async () => {
  await place.ok(['init']);
  web1 = await place.backup(source, '--host', 'web1', '--tag', 'x, y', '--time', '2024-05-01');
  web2 = await place.backup(source, '--host', 'web2', '--time', '2024-05-02');
});

const listed = () => place.json<Listed[]>(['snapshots']);

async function changes(...args: string[]): Promise<Record<string, unknown>[]> {
  const { out } = await place.ok(['tag', ...args, '--json']);
  return out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('what is to be changed has to be said', async () => {
  assert.match((await place.run(['tag'])).err, /give --add, --remove or --set/);
  assert.match((await place.run(['tag', '--set', 'a', '--add', 'b'])).err, /exclude each other/);
});

test('tags are added and removed; the snapshot has another id, and its time', async () => {
  const [changed, summary] = await changes('--add', 'z,x', '--remove', 'y', web1.slice(0, 10));
  const [first, second] = await listed();
  assert.deepEqual(changed, { message_type: 'changed', old_snapshot_id: web1, new_snapshot_id: first?.id });
  assert.deepEqual(summary, { message_type: 'summary', changed_snapshots: 1 });
  assert.deepEqual([first?.time, first?.tags, first?.original], ['2024-05-01T00:00:00Z', ['x', 'z'], web1]);
  assert.equal(second?.id, web2);
  await place.ok(['restore', first?.id ?? '', '--target', place.path('restored')]);
});

test('filters say which; those that have the tags already stay as they are', async () => {
  assert.match(
    (await place.ok(['tag', '--add', 'z', '--host', 'web2'])).out,
    /^snapshot .* is now .*\nmodified tags on 1 snapshot\n$/,
  );
  assert.deepEqual(await changes('--add', 'z'), [{ message_type: 'summary', changed_snapshots: 0 }]);
  assert.equal((await place.ok(['tag', '--remove', 'nix'])).out, 'no snapshots were modified\n');
  assert.deepEqual(
    (await listed()).map(({ tags }) => tags),
    [['x', 'z'], ['z']],
  );
});

test('set, also to none', async () => {
  await place.ok(['tag', '--set', 'p', '--set', 'q,p', '--tag', 'x']);
  await place.ok(['tag', '--set', '', 'latest']);
  assert.deepEqual(
    (await listed()).map(({ tags, original }) => [tags, original]),
    [
      [['p', 'q'], web1],
      [undefined, web2],
    ],
  );
});

test('a key that may only append is refused', async () => {
  await place.ok(['key', 'add', '--role', 'append', '--new-key-file', place.path('append')]);
  const env = { VARVE_KEY_FILE: place.path('append'), XDG_CACHE_HOME: place.path('cache-append') };
  const { code, err } = await place.run(['tag', '--add', 'a'], { env });
  assert.equal(code, 1);
  assert.match(err, /this key may only append: cannot change tags/);
});
