import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { Playground } from './varve.js';

interface Listed {
  readonly id: string;
  readonly hostname: string;
  readonly time: string;
  readonly tags?: string[];
  readonly original?: string;
  readonly summary: { total_files_processed: number; total_bytes_processed: number };
}

const place = new Playground();
const source = place.files('source', { a: 'aa', 'b.tmp': 'b', 'C.ISO': 'iso', 'sub/d.tmp': 'd' });
let web1 = '';

before(async () => {
  await place.ok(['init']);
  web1 = await place.backup(source, '--host', 'web1', '--time', '2024-05-01');
  await place.backup(source, '--host', 'web2', '--time', '2024-05-02');
});

const listed = () => place.json<Listed[]>(['snapshots']);
/** How many of the files that are left out a snapshot has. */
const unwanted = async (id: string) => (await place.ok(['ls', id])).out.match(/^.*(b\.tmp|d\.tmp|C\.ISO)$/gm)?.length;

test('what is to change has to be said, and has to be right', async () => {
  assert.match((await place.run(['rewrite'])).err, /nothing to do: give --exclude/);
  assert.match((await place.run(['rewrite', '--exclude', '[a'])).err, /pattern '\[a' is malformed/);
  assert.match((await place.run(['rewrite', '--new-time', 'soon'])).err, /--new-time: "soon" is not a time/);
  assert.equal((await listed()).length, 2);
});

test('a dry run tells what it would do', async () => {
  const { out } = await place.ok(['rewrite', '--exclude', '*.tmp', '--dry-run', '-v', '--host', 'web1']);
  assert.match(
    out,
    /excluding .*\/b\.tmp\nexcluding .*\/sub\/d\.tmp\nsnapshot .{8} would get a new snapshot beside it\n/,
  );
  assert.match(out, /would modify 1 snapshot\n$/);
  assert.equal((await listed()).length, 2);
});

test('patterns from options and files; the old one stays, the new one has a tag', async () => {
  writeFileSync(place.path('patterns'), '# of things\n*.iso\n');
  const { out } = await place.ok([
    ...['rewrite', '--exclude', '*.tmp', '--iexclude-file', place.path('patterns'), web1.slice(0, 12)],
  ]);
  assert.match(out, /^snapshot .{8} saved again as .{8}\nmodified 1 snapshot\n$/);
  const fresh = (await listed()).find(({ tags }) => tags !== undefined);
  assert.deepEqual(fresh?.tags, ['rewrite']);
  assert.equal(fresh?.original, web1);
  assert.equal(fresh?.time, '2024-05-01T00:00:00Z');
  assert.deepEqual(fresh?.summary.total_files_processed, 1);
  assert.deepEqual(fresh?.summary.total_bytes_processed, 2);
  assert.equal(await unwanted(fresh?.id ?? ''), undefined);
  assert.equal(await unwanted(web1), 3);
  await place.ok(['check']);
});

test('--forget puts it in the place of the old one; figures as JSON', async () => {
  const args = ['rewrite', '--forget', '--new-host', 'web3', '--new-time', '2020-01-01', '--host', 'web2', '--json'];
  const lines = (await place.ok(args)).out.trimEnd().split('\n');
  const [changed, summary] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const fresh = (await listed())[0];
  assert.deepEqual([fresh?.hostname, fresh?.time, fresh?.tags], ['web3', '2020-01-01T00:00:00Z', undefined]);
  assert.equal(changed?.['new_snapshot_id'], fresh?.id);
  assert.deepEqual(summary, { message_type: 'summary', changed_snapshots: 1, dry_run: false });
  assert.equal((await listed()).length, 3);
});

test('what has none of it stays as it is', async () => {
  const { out } = await place.ok(['rewrite', '--exclude', '/nowhere']);
  assert.match(out, /^(snapshot .{8}: nothing to change\n){3}no snapshots were modified\n$/);
});

test('a key that may only append is refused', async () => {
  await place.ok(['key', 'add', '--role', 'append', '--new-key-file', place.path('append')]);
  const env = { VARVE_KEY_FILE: place.path('append'), XDG_CACHE_HOME: place.path('cache-append') };
  const { code, err } = await place.run(['rewrite', '--exclude', 'a'], { env });
  assert.equal(code, 1);
  assert.match(err, /this key may only append: cannot rewrite snapshots/);
});
