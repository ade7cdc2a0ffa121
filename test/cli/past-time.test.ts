import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { Playground } from './varve.js';

const place = new Playground();
const DAY = 86_400_000;
const file = place.path('source', 'file');
const daysAgo = (days: number): string => new Date(Date.now() - days * DAY).toISOString();
const ids: string[] = [];

/** What `latest` is with these options: the file says how many days ago it was. */
async function latest(...args: string[]): Promise<string> {
  return (await place.ok(['dump', 'latest', file, ...args])).out;
}

before(async () => {
  await place.ok(['init']);
  for (const days of ['10', '5', '1']) {
    const source = place.files('source', { file: days });
    ids.push(await place.backup(source, '--time', daysAgo(Number(days)), '--host', days === '5' ? 'web2' : 'web1'));
  }
});

test('--time takes the newest snapshot at least that old', async () => {
  assert.equal(await latest('--time', '12h'), '1');
  assert.equal(await latest('--time', '3D'), '5');
  assert.equal(await latest('--time', '1w'), '10');
  assert.equal(await latest('--time', '3d', '--host', 'web1'), '10');
  assert.equal(await latest('--time', daysAgo(4.5)), '5');
  const listed = await place.ok(['ls', 'latest', '--time', '3d']);
  assert.ok(listed.out.startsWith(`snapshot ${ids[1]?.slice(0, 8)} `), listed.out);
});

test('restore --time needs no snapshot', async () => {
  await place.ok(['restore', '--time', '6d', '--target', place.path('restored')]);
  assert.equal(readFileSync(place.path('restored', file), 'utf8'), '10');
});

test('--time with an id, with none so old, and with what is no time', async () => {
  const fails = async (message: RegExp, ...args: string[]): Promise<void> => {
    const { code, err } = await place.run(['ls', ...args]);
    assert.equal(code, 1);
    assert.match(err, message);
  };
  await fails(
    /^Fatal: --time selects what `latest` means: it cannot be used with the snapshot /,
    ids[0] ?? '',
    '--time',
    '1d',
  );
  await fails(/^Fatal: no snapshot found that is at least that old; /, 'latest', '--time', '1y');
  await fails(/^Fatal: --time: "soon" is not a time: /, 'latest', '--time', 'soon');
});
