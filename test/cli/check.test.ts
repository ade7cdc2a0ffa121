import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, beforeEach, test } from 'node:test';
import type { ObjectType } from '../../src/storage/store.js';
import type { Beneath } from '../servers/beneath.js';
import { Playground } from './varve.js';

const place = new Playground();
let snapshot: string;
let source: string;
let beneath: Beneath;
/** The pack with the file's content. */
let pack: string;
const undo: (() => Promise<void>)[] = [];

before(async () => {
  await place.ok(['init']);
  source = place.files('source', { 'letter\n': randomBytes(300_000), empty: '' });
  snapshot = await place.backup(source);
  beneath = await place.beneath();
  pack = (await beneath.packs())[0] as string;
});

beforeEach(async () => {
  for (const each of undo.splice(0)) await each();
});

async function kept(type: ObjectType, name: string): Promise<void> {
  const bytes = await beneath.get(type, name);
  undo.push(() => beneath.plant(type, name, bytes));
}

async function damagePack(): Promise<void> {
  await kept('data', pack);
  await beneath.change('data', pack, (bytes) => bytes.fill((bytes[100] as number) ^ 1, 100, 101));
}

test('a sound repository: one line, none with --quiet, restic’s summary with --json', async () => {
  for (const args of [[], ['--read-data'], ['--read-data-subset', '1/1'], ['--scrub']]) {
    const { out, err } = await place.ok(['check', ...args]);
    assert.match(out, /^no errors were found \([^\n]+\)\n$/);
    assert.equal(err, '');
    assert.deepEqual(await place.ok(['check', '--quiet', ...args]).then((each) => each.out + each.err), '');
    assert.equal(
      (await place.ok(['check', '--json', ...args])).out,
      '{"message_type":"summary","num_errors":0,"broken_packs":[],"suggest_repair_index":false,"suggest_prune":false}\n',
    );
  }
});

test('a damaged pack: the object, the snapshot, the file, what to do; exit code 1', async () => {
  await damagePack();
  assert.equal((await place.run(['check'])).code, 0);
  const { code, out, err } = await place.run(['check', '--read-data', '--quiet']);
  assert.equal(code, 1);
  assert.equal(out, '');
  const [first, touched, file, advice, last] = err.split('\n');
  assert.match(first ?? '', new RegExp(`^error: data/${pack}: its content does not match its name; .*frame 0`));
  assert.equal(touched, `  touches 1 snapshot (${snapshot.slice(0, 8)}); of files and directories 1:`);
  assert.equal(file, `    "${source}/letter\\n"`);
  assert.match(advice ?? '', /^ {2}put it back from another copy/);
  assert.match(last ?? '', /^Fatal: the repository has 1 error /);
});

test('the same as JSON', async () => {
  await damagePack();
  const { code, out, err } = await place.run(['check', '--read-data', '--json']);
  assert.equal(code, 1);
  const [error = {}, exit] = err
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual([exit?.['message_type'], exit?.['code']], ['exit_error', 1]);
  assert.equal(Object.keys(error)[0], 'message_type');
  assert.equal(error.message_type, 'error');
  assert.match(String(error.message), /^data\/.*does not match its name/);
  assert.deepEqual([error.snapshots, error.files, error.total_files], [[snapshot], [`${source}/letter\n`], 1]);
  assert.deepEqual(JSON.parse(out), {
    message_type: 'summary',
    num_errors: 1,
    broken_packs: [pack],
    suggest_repair_index: false,
    suggest_prune: false,
  });
});

test('a scrub needs no password, and sees it too', async () => {
  const env = { VARVE_KEY_FILE: undefined };
  assert.equal((await place.run(['check', '--scrub'], { env })).code, 0);
  await damagePack();
  const { code, err } = await place.run(['check', '--scrub'], { env });
  assert.equal(code, 1);
  assert.match(err, new RegExp(`^error: data/${pack}: its content does not match its name\n`));
  const missing = await place.run(['check', '--scrub', '-r', place.repository('nowhere')], { env });
  assert.equal(missing.code, 10);
});

test('without its index the packs are to be listed again, not pruned', async () => {
  for (const name of await beneath.names('index')) {
    await kept('index', name);
    await beneath.remove('index', name);
  }
  const { code, out, err } = await place.run(['check']);
  assert.equal(code, 1);
  assert.match(
    err,
    /^error: tree blob [0-9a-f]{64} is in no pack that the index lists\n {2}touches 1 snapshot .*:\n {4}\/\n/,
  );
  assert.match(out, /2 packs \(.*\) that no index object lists: .*`varve repair index` lists them again/);
  const summary = await place.run(['check', '--json']);
  assert.match(summary.out, /"num_errors":1,.*"suggest_repair_index":true,"suggest_prune":false/);
});

test('-v names all files, otherwise 20 of each object', async () => {
  const other = new Playground();
  await other.ok(['init']);
  const contents = Object.fromEntries(
    Array.from({ length: 30 }, (_, number) => [`file ${number}`, `content ${number}`]),
  );
  await other.backup(other.files('many', contents));
  // Which of the two packs has the contents is not seen from outside.
  const packs = await other.beneath();
  for (const name of await packs.packs()) {
    const bytes = await packs.get('data', name);
    await packs.remove('data', name);
    const { err } = await other.run(['check']);
    if (err.includes('many/file 1\n')) {
      assert.match(err, /of files and directories 30:/);
      assert.equal(err.match(/^ {4}\//gm)?.length, 20);
      assert.match(err, /^ {4}and 10 more \(-v names all\)$/m);
      assert.equal((await other.run(['check', '-v'])).err.match(/^ {4}\//gm)?.length, 30);
      return;
    }
    await packs.plant('data', name, bytes);
  }
  assert.fail('no pack has the contents');
});

test('options that exclude each other, or are none, are refused', async () => {
  for (const args of [
    ['--read-data', '--read-data-subset', '1/2'],
    ['--scrub', '--read-data'],
    ['--scrub', '--read-data-subset', '1/2'],
    ['--read-data-subset', '3/2'],
  ]) {
    const { code, err } = await place.run(['check', ...args]);
    assert.equal(code, 1, args.join(' '));
    assert.match(err, /^Fatal: .*(exclude|cannot be used|is no part)/);
  }
});
