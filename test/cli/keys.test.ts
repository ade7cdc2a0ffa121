import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Playground } from './varve.js';

interface Key {
  readonly id: string;
  readonly slot: string;
  readonly current: boolean;
  readonly userName: string;
  readonly hostName: string;
  readonly role: string;
  readonly epoch: number;
}

interface Summary {
  readonly files_new: number;
  readonly files_unmodified: number;
  readonly snapshot_id: string;
}

/** Milliseconds for which a file that was just written is read again, as its times prove nothing. */
const UNCERTAIN = 3100;
const place = new Playground();
const source = place.files('source', { a: 'a', 'b/c': randomBytes(1000) });

before(async () => {
  await place.ok(['init']);
  await delay(UNCERTAIN);
});

/** Adds a key that a file opens. @returns the environment that uses it */
async function addKey(role: string, name: string): Promise<{ env: Record<string, string>; id: string }> {
  const file = place.path(`${name}.key`);
  const args = ['key', 'add', '--role', role, '--user', name, '--host', name, '--new-key-file', file];
  const { id } = await place.json<Key>(args);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  return { env: { VARVE_KEY_FILE: file, XDG_CACHE_HOME: place.path(`cache-${name}`), VARVE_HOST: name }, id };
}

const keys = (): Promise<Key[]> => place.json<Key[]>(['key', 'list']);

test('key list shows who has a key, and which is in use', async () => {
  const [own] = await keys();
  assert.deepEqual(Object.keys(own ?? {}).slice(0, 5), ['current', 'id', 'userName', 'hostName', 'created']);
  assert.equal(own?.current, true);
  assert.match((await place.ok(['key', 'list'])).out, new RegExp(`^\\*${own?.id.slice(0, 8)} .* full +key file`, 'm'));
});

test('an append key backs up again and again without reading what has not changed, and reads nothing back', async () => {
  const { env } = await addKey('append', 'web1');
  const first = await place.json<Summary>(['backup', source], { env });
  assert.equal(first.files_new, 2);
  const second = await place.json<Summary>(['backup', source], { env });
  assert.deepEqual([second.files_new, second.files_unmodified], [0, 2]);
  for (const args of [
    ['ls', 'latest'],
    ['find', '*'],
    ['diff', 'latest', 'latest'],
    ['restore', 'latest', '-t', place.path('no')],
    ['dump', 'latest', '/'],
    ['stats'],
    ['key', 'rotate'],
  ]) {
    const { code, err } = await place.run(args, { env });
    assert.equal(code, 1, args[0]);
    assert.match(err, /^Fatal: this key may only append: cannot /, args[0]);
  }
  const elsewhere = { ...env, XDG_CACHE_HOME: place.path('cache-elsewhere') };
  assert.deepEqual(await place.json(['snapshots'], { env: elsewhere }), []);
});

test('a manage key lists, and reads no contents', async () => {
  const { env } = await addKey('manage', 'admin');
  const id = await place.backup(source);
  assert.match((await place.ok(['ls', id], { env })).out, /b\/c$/m);
  assert.match(
    (await place.run(['restore', id, '-t', place.path('no')], { env })).err,
    /^Fatal: this key may manage but not read/,
  );
  assert.match((await place.run(['dump', id, `${source}/a`], { env })).err, /^Fatal: this key may manage/);
  assert.match((await place.run(['key', 'add', '--new-key-file', 'x'], { env })).err, /^Fatal: this key may manage/);
});

test('passwd: the new password opens, the old one does not', async () => {
  const other = { VARVE_KEY_FILE: undefined, VARVE_PASSWORD: 'first', VARVE_REPOSITORY: place.repository('passwords') };
  await place.ok(['init'], { env: other });
  const [before] = await place.json<Key[]>(['key', 'list'], { env: other });
  writeFileSync(place.path('second'), 'second\n', { mode: 0o600 });
  await place.ok(['key', 'passwd', '--new-password-file', place.path('second')], { env: other });
  assert.equal((await place.run(['snapshots'], { env: other })).code, 12);
  const [changed] = await place.json<Key[]>(['key', 'list'], { env: { ...other, VARVE_PASSWORD: 'second' } });
  assert.equal(changed?.slot, before?.slot);
  assert.notEqual(changed?.id, before?.id, 'it is the name of the object');
  const beneath = await place.beneath('passwords');
  const [between, ...others] = (await beneath.names('keys')) as [string];
  assert.deepEqual(others, []);
  const kept = await beneath.get('keys', between);
  writeFileSync(place.path('third'), 'third\n', { mode: 0o600 });
  const change = ['key', 'passwd', '--new-password-file', place.path('third')];
  await place.ok(change, { env: { ...other, VARVE_PASSWORD: 'second' } });
  await beneath.plant('keys', between, kept);
  await place.ok(change, { env: { ...other, VARVE_PASSWORD: 'third' } });
  assert.equal((await beneath.names('keys')).length, 1, 'nor is one left that an interrupted change had left');
  const noTerminal = await place.run(['key', 'passwd'], { env: { ...other, VARVE_PASSWORD: 'third' } });
  assert.match(noTerminal.err, /--new-password-file FILE/);
});

test('rotate: every key goes on with the new secrets, old snapshots stay readable', async () => {
  const { env } = await addKey('append', 'rotating');
  const before = await place.backup(source);
  assert.match((await place.ok(['key', 'rotate'])).out, /^rotated: the secrets of epoch 2 are sealed to \d+ keys?$/m);
  assert.deepEqual(new Set((await keys()).map(({ epoch }) => epoch)), new Set([2]));
  const { snapshot_id: after } = await place.json<Summary>(['backup', source], { env });
  for (const id of [before, after]) {
    await place.ok(['restore', `${id}:${source}`, '-t', place.path(`rotated-${id}`), '--verify']);
    assert.equal(readFileSync(place.path(`rotated-${id}`, 'a'), 'utf8'), 'a');
  }
  assert.equal((await place.ok(['list', 'keys'])).out.trim().split('\n').length, (await keys()).length);
});

test('a removed key opens nothing, and what it wrote since a date is ignored', async () => {
  const { env, id } = await addKey('append', 'stolen');
  const { snapshot_id: before } = await place.json<Summary>(['backup', source, '--time', '2026-01-01 00:00:00'], {
    env,
  });
  const { snapshot_id: planted } = await place.json<Summary>(['backup', source], { env });
  const { out } = await place.ok(['key', 'remove', id.slice(0, 12), '--ignore-since', '2026-02-01']);
  assert.match(out, new RegExp(`^removed key ${id} \\(append, of stolen@stolen\\)$`, 'm'));
  assert.equal((await place.run(['snapshots'], { env })).code, 12);
  const ids = (await place.json<{ id: string }[]>(['snapshots'])).map((each) => each.id);
  assert.ok(ids.includes(before) && !ids.includes(planted));
  await place.ok(['key', 'rotate']);
  assert.equal((await place.run(['snapshots'], { env })).code, 12);
});

test('a removed slot that the storage puts back gets no new secrets', async () => {
  const { env, id: name } = await addKey('append', 'back');
  const beneath = await place.beneath();
  const object = await beneath.get('keys', name);
  await place.ok(['key', 'remove', name]);
  await beneath.plant('keys', name, object);
  const rotated = await place.run(['key', 'rotate']);
  assert.equal(rotated.code, 1);
  assert.match(rotated.err, /is revoked/);
  // It is revoked from the next full second on.
  await delay(1000);
  const { snapshot_id: planted } = await place.json<Summary>(['backup', source], { env });
  const ids = (await place.json<{ id: string }[]>(['snapshots'])).map((each) => each.id);
  assert.ok(!ids.includes(planted));
});

test('neither the key in use nor the last full key is removed by mistake', async () => {
  const own = (await keys()).find(({ current }) => current)?.id ?? '';
  assert.match((await place.run(['key', 'remove', own])).err, /is the one in use/);
  assert.match((await place.run(['key', 'remove', own, '--force'])).err, /is the last full key/);
  assert.match((await place.run(['key', 'remove', 'ffff'])).err, /no key matches "ffff"/);
  assert.match(
    (await place.run(['key', 'add', '--role', 'boss', '--new-key-file', 'x'])).err,
    /not one of append, manage, full/,
  );
  const { env } = await addKey('full', 'second');
  await place.ok(['key', 'remove', own], { env });
  assert.equal((await place.run(['snapshots'])).code, 12);
});
