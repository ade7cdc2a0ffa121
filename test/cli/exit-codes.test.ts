import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { encodeLease } from '../../src/format/lease.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { putSigned } from '../../src/repository/repository.js';
import { openTestStore } from '../servers/test-place.js';
import { outcome, Playground } from './varve.js';

const DOCUMENT = new URL('../../../docs/exit-codes.md', import.meta.url);
const place = new Playground();
let source: string;

before(async () => {
  await place.ok(['init']);
  source = place.files('source', { letter: 'Dear all' });
});

const run = async (args: string[], env = {}): Promise<number | null> => (await place.run(args, { env })).code;

async function besidePrune(): Promise<number | null> {
  const store = await openTestStore(place.path('repo'));
  const repository = await openRepository(store, { unlock: { keyFile: readFileSync(place.path('key')) } });
  const time = { seconds: Math.floor(Date.now() / 1000), nanoseconds: 0 };
  const lease = { time, since: time, id: randomBytes(16), operation: 'prune', host: 'other', user: 'x', pid: 7 };
  const name = await putSigned(repository, 'lease', encodeLease(lease));
  const code = await run(['prune']);
  await store.remove('locks', name);
  await store.close();
  return code;
}

async function interrupted(): Promise<number | null> {
  const child = place.start(['backup', '--stdin', '--stdin-filename', 'endless']);
  const ended = outcome(child);
  child.stdin?.write('the beginning');
  await new Promise((resolve) => setTimeout(resolve, 1500));
  child.kill('SIGINT');
  const { code } = await ended;
  child.stdin?.destroy();
  return code;
}

function wrongKey(): Promise<number | null> {
  writeFileSync(place.path('wrong key'), randomBytes(32));
  return run(['snapshots'], { VARVE_KEY_FILE: place.path('wrong key') });
}

const ROWS: readonly (readonly [number, string, () => Promise<number | null>])[] = [
  [0, 'all is stored', () => run(['backup', source])],
  [3, 'a path is missing', () => run(['backup', source, place.path('missing')])],
  [1, 'all paths are missing', () => run(['backup', place.path('missing')])],
  [1, 'a command option is wrong', () => run(['backup', '--max-shrink', 'x', source])],
  [1, 'the snapshot does not exist', () => run(['ls', 'abcdef'])],
  [10, 'there is no repository', () => run(['snapshots'], { VARVE_REPOSITORY: place.repository('none') })],
  [11, 'a prune is at work', besidePrune],
  [12, 'the key file opens no key', wrongKey],
  [130, 'it is interrupted', interrupted],
];

for (const [code, when, act] of ROWS)
  test(`varve ends with ${code} when ${when}`, async () => assert.equal(await act(), code));

test('the document lists each code that commands end with', () => {
  const codes = [...readFileSync(DOCUMENT, 'utf8').matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  assert.deepEqual(
    codes,
    [...new Set(ROWS.map(([code]) => code))].sort((a, b) => a - b),
  );
});
