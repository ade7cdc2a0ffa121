import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, beforeEach, test } from 'node:test';
import type { Beneath } from '../servers/beneath.js';
import { Playground } from './varve.js';

const place = new Playground();
let beneath: Beneath;
let pack: string;
let original: Buffer;

before(async () => {
  await place.ok(['init', '--parity', '5']);
  await place.backup(place.files('source', { letter: randomBytes(300_000) }));
  beneath = await place.beneath();
  pack = (await beneath.packs())[0] as string;
  original = await beneath.get('data', pack);
});

const stored = (): Promise<Buffer> => beneath.get('data', pack);
const damage = (change: (bytes: Buffer) => Buffer): Promise<void> =>
  beneath.plant('data', pack, change(Buffer.from(original)));

beforeEach(() => beneath.plant('data', pack, original));

const object = (): string => `data/${pack}`;
/** Within what the parity covers. */
const slight = (bytes: Buffer): Buffer => bytes.fill(0, 5000, 6000).subarray(0, -100);
const severe = (bytes: Buffer): Buffer => bytes.fill(0, 5000, 150_000);

test('check tells what parity can heal, check --repair heals it, and says so even when it is quiet', async () => {
  await damage(slight);
  const told = await place.run(['check', '--quiet']);
  assert.equal(told.code, 1);
  assert.match(
    told.err,
    new RegExp(`^error: ${object()}: (.|\n)* {2}its parity can heal it: run .varve check --repair.\n`),
  );
  assert.ok(!(await stored()).equals(original), 'check alone changes nothing');
  const { out, err } = await place.ok(['check', '--repair', '--quiet']);
  assert.equal(out, '');
  assert.match(
    err,
    new RegExp(`^warning: ${object()}: was damaged, and is healed \\([12] of \\d+ shards repaired\\)\n$`),
  );
  assert.ok((await stored()).equals(original));
  const again = await place.ok(['check', '--repair']);
  assert.match(again.out, /^no errors were found \(1 snapshot, 2 packs\)\n$/);
  assert.equal(again.err, '');
});

test('without a password on the machine of the repository', async () => {
  await damage(slight);
  const { out } = await place.ok(['check', '--scrub', '--repair'], { env: { VARVE_PASSWORD: '' } });
  assert.match(out, /^no errors remain \(\d+ objects, .*; 1 pack healed\)\n$/);
  assert.ok((await stored()).equals(original));
});

test('as JSON', async () => {
  await damage(slight);
  const told = await place.run(['check', '--read-data', '--json']);
  assert.equal((JSON.parse(told.err.split('\n')[0] ?? '') as { healable: boolean }).healable, true);
  const { out, err } = await place.ok(['check', '--repair', '--json']);
  const { message_type, item } = JSON.parse(err) as Record<string, unknown>;
  assert.deepEqual([message_type, item], ['warning', object()]);
  assert.deepEqual(JSON.parse(out), {
    message_type: 'summary',
    num_errors: 0,
    broken_packs: [],
    healed_packs: [pack],
    suggest_repair_index: false,
    suggest_prune: false,
  });
});

test('what parity does not cover is told with the reason, and stays as it is', async () => {
  await damage(severe);
  const damaged = await stored();
  for (const args of [['--read-data'], ['--repair'], ['--scrub', '--repair']]) {
    const { code, err } = await place.run(['check', ...args]);
    assert.equal(code, 1);
    assert.match(err, /its parity covers \d+ of \d+ shards, and \d+ are damaged/);
    assert.match(err, /put it back from another copy/);
    assert.ok((await stored()).equals(damaged));
  }
});

test('a repository without parity says that nothing can be healed', async () => {
  const env = { VARVE_REPOSITORY: place.repository('plain') };
  await place.ok(['init'], { env });
  const { code, err } = await place.run(['check', '--repair'], { env });
  assert.equal(code, 1);
  assert.match(err, /^Fatal: the repository was made without --parity/);
});

test('a parity that makes no sense is refused before anything is made', async () => {
  for (const percent of ['0', '101', '2.5', 'much', '-1']) {
    const { code, err } = await place.run(['init', `--parity=${percent}`], {
      env: { VARVE_REPOSITORY: place.repository('none') },
    });
    assert.equal(code, 1);
    assert.match(err, /whole number from 1 to 100/);
  }
  assert.equal(await (await place.beneath('none')).find('config', 'config'), undefined);
  assert.match((await place.ok(['cat', 'config'])).out, /"parity_percent": 5\b/);
});
