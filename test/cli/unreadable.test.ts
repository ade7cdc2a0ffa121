import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { NEEDS_LOCAL } from '../servers/test-place.js';
import { MAIN } from './main-program.js';
import { type Outcome, Playground } from './varve.js';

const NOBODY = 65_534;
const NEEDS_ROOT = process.getuid?.() !== 0 && 'only root can make files of another user';
/** Paths below the repository's directory. */
const walk = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name));

function asNobody(place: Playground, args: readonly string[]): Pick<Outcome, 'code' | 'out' | 'err'> {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    uid: NOBODY,
    gid: NOBODY,
    cwd: place.path('home'),
    env: { ...place.env, XDG_CACHE_HOME: place.path('home', 'cache') },
    encoding: 'utf8',
  });
  return { code: status, out: stdout, err: stderr };
}

/** A repository of nobody, with a snapshot of nobody's. */
async function ofNobody(): Promise<{ place: Playground; own: string } | undefined> {
  const place = new Playground();
  place.files('home', { source: 'Dear all' });
  place.files('root', { source: 'Dear root' });
  chmodSync(place.directory, 0o755);
  await place.ok(['init']);
  for (const path of [
    place.path('repo'),
    ...walk(place.path('repo')),
    place.path('home'),
    ...walk(place.path('home')),
    place.path('key'),
  ])
    chownSync(path, NOBODY, NOBODY);
  const { code, out, err } = asNobody(place, ['backup', '--json', place.path('home', 'source')]);
  if (/EACCES.*(node_modules|build)|Cannot find module/.test(err)) return undefined;
  assert.equal(code, 0, err);
  return { place, own: JSON.parse(out.trimEnd().split('\n').at(-1) as string).snapshot_id };
}

const skip = NEEDS_ROOT || NEEDS_LOCAL;
const UNREADABLE_CHECKOUT = 'this checkout, or this Node, is not readable for others';

test('what root backs up into the repository of a user belongs to the user', { skip }, async (t) => {
  const box = await ofNobody();
  if (box === undefined) return t.skip(UNREADABLE_CHECKOUT);
  const { place } = box;
  await place.backup(place.path('root'));
  const foreign = walk(place.path('repo')).filter((path) => lstatSync(path).uid !== NOBODY);
  assert.deepEqual(foreign, []);
  assert.match(asNobody(place, ['check', '--read-data']).out, /no errors were found/);
});

test('objects that belong to root are called unreadable, with the remedy, and nothing removes them', {
  skip,
}, async (t) => {
  const box = await ofNobody();
  if (box === undefined) return t.skip(UNREADABLE_CHECKOUT);
  const { place } = box;
  const before = new Set(walk(place.path('repo')));
  const id = await place.backup(place.path('root'));
  const fresh = walk(place.path('repo')).filter((path) => !before.has(path) && lstatSync(path).isFile());
  for (const path of fresh) chownSync(path, 0, 0);
  const contents = (): string =>
    walk(place.path('repo'))
      .filter((path) => !path.includes('/locks/'))
      .join();
  const all = contents();

  const checked = asNobody(place, ['check', '--read-data']);
  assert.equal(checked.code, 1);
  assert.match(
    checked.err,
    new RegExp(`^error: snapshots/${id}: cannot be read: .*: permission denied; it belongs to root`, 'm'),
  );
  assert.match(checked.err, /as root, `chown -R --reference=\S+ \S+` gives all of it to the owner/);
  assert.match(checked.err, /^Fatal: \d+ objects could not be read, and may be sound/m);
  assert.doesNotMatch(checked.err, /varve (forget|repair|recover)/);

  const forgotten = asNobody(place, ['forget', id]);
  assert.equal(forgotten.code, 3);
  assert.match(forgotten.err, /stays, as it may be sound: cannot read snapshots\//);
  const pack = fresh
    .find((path) => path.includes('/data/'))
    ?.split('/')
    .at(-1) as string;
  const repaired = asNobody(place, ['repair', 'packs', pack]);
  assert.equal(repaired.code, 1);
  for (const args of [['repair', 'index'], ['recover'], ['prune', '--grace', '0']]) {
    const { code, err } = asNobody(place, args);
    assert.deepEqual([args, code, /permission denied/.test(err)], [args, 1, true]);
  }
  assert.equal(contents(), all);
  assert.deepEqual(readdirSync(place.path('home')).sort(), ['cache', 'source']);

  const [command] = /chown -R [^`]*/.exec(checked.err) as RegExpExecArray;
  assert.equal(spawnSync('sh', ['-c', command]).status, 0);
  assert.match(asNobody(place, ['check', '--read-data']).out, /no errors were found/);
});

test('a key slot that may not be read does not keep another key from opening the repository', { skip }, async (t) => {
  const box = await ofNobody();
  if (box === undefined) return t.skip(UNREADABLE_CHECKOUT);
  const { place } = box;
  const before = readdirSync(place.path('repo', 'keys'));
  await place.ok(['key', 'add', '--new-password-file', place.path('key')]);
  for (const name of readdirSync(place.path('repo', 'keys')))
    if (!before.includes(name)) chownSync(place.path('repo', 'keys', name), 0, 0);
  const { code, err } = asNobody(place, ['snapshots']);
  assert.equal(code, 0, err);
});

test('a repository that a group shares stays so, whoever writes', { skip }, async (t) => {
  const box = await ofNobody();
  if (box === undefined) return t.skip(UNREADABLE_CHECKOUT);
  const { place } = box;
  const GROUP = 4711;
  for (const path of [place.path('repo'), ...walk(place.path('repo'))]) {
    chownSync(path, NOBODY, GROUP);
    chmodSync(path, lstatSync(path).isDirectory() ? 0o2770 : 0o640);
  }
  const before = new Set(walk(place.path('repo')));
  await place.backup(place.path('root'));
  const fresh = walk(place.path('repo')).filter((path) => !before.has(path));
  assert.ok(fresh.length > 0);
  for (const path of fresh) {
    const { uid, gid, mode } = lstatSync(path);
    assert.deepEqual([uid, gid, mode & 0o7777], [NOBODY, GROUP, 0o640], path);
  }
});
