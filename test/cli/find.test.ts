import assert from 'node:assert/strict';
import { linkSync, lstatSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { Playground } from './varve.js';

const place = new Playground();
const source = place.files('source', {
  'letter.txt': 'dear\n',
  'sub/Letter.TXT': 'dear all\n',
  'new\nline.txt': 'x',
  'sub/big': Buffer.alloc(3000, 7),
});
const ODD = Buffer.from(`${source}/odd\xff.txt`, 'latin1');
let first = '';
let second = '';

interface Match {
  readonly path: string;
  readonly [key: string]: unknown;
}
interface Matches {
  readonly matches: readonly Match[];
  readonly hits: number;
  readonly snapshot: string;
}
interface FoundObject {
  readonly object_type: string;
  readonly id: string;
  readonly path: string;
  readonly parent_tree?: string;
  readonly snapshot: string;
  readonly time: string;
  readonly pack?: string;
}

before(async () => {
  symlinkSync('letter.txt', `${source}/link`);
  linkSync(`${source}/letter.txt`, `${source}/other.name`);
  writeFileSync(ODD, 'odd');
  utimesSync(`${source}/letter.txt`, 1_000_000_000, 1_000_000_000);
  await place.ok(['init']);
  first = await place.backup(source, '--host', 'web1', '--time', '2026-01-01 10:00:00');
  second = await place.backup(source, '--host', 'web2', '--time', '2026-02-01 10:00:00');
});

/** The paths below the source that are found, of the newest snapshot first. */
async function found(...args: string[]): Promise<string[]> {
  const { out } = await place.ok(['find', '-q', ...args]);
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => line.replace(`${source}/`, ''));
}

test('find says in which snapshots, the newest first', async () => {
  const { out } = await place.ok(['find', 'letter.txt']);
  assert.deepEqual(out.split('\n'), [
    `Found matching entries in snapshot ${second.slice(0, 8)} from 2026-02-01 10:00:00`,
    `${source}/letter.txt`,
    '',
    `Found matching entries in snapshot ${first.slice(0, 8)} from 2026-01-01 10:00:00`,
    `${source}/letter.txt`,
    '',
  ]);
  const reverse = (await place.ok(['find', '-R', 'letter.txt'])).out;
  assert.ok(reverse.startsWith(`Found matching entries in snapshot ${first.slice(0, 8)} `));
});

test('snapshots are chosen by id, host, tag and path', async () => {
  assert.deepEqual(await found('-s', first.slice(0, 9), 'big'), ['sub/big']);
  assert.deepEqual(await found('--snapshot', 'latest', '--snapshot', first, 'big'), ['sub/big', 'sub/big']);
  assert.deepEqual(await found('-H', 'web1', 'big'), ['sub/big']);
  assert.deepEqual(await found('--tag', 'none', 'big'), []);
  assert.deepEqual(await found('--path', '/nowhere', 'big'), []);
  const { code, err } = await place.run(['find', '-s', 'abcdef', 'big']);
  assert.deepEqual([code, /^Fatal: no snapshot matches "abcdef"/.test(err)], [1, true]);
});

test('patterns, case, times and sizes', async () => {
  const latest = (...args: string[]) => found('-s', 'latest', ...args);
  assert.deepEqual(
    await latest('*.txt'),
    ['letter.txt', `"${source}/new\\nline.txt"`, `"${source}/odd\\xff.txt"`].map((line) =>
      line.replace(`${source}/`, ''),
    ),
  );
  assert.deepEqual(await latest('-i', 'LETTER.*'), ['letter.txt', 'sub/Letter.TXT']);
  assert.deepEqual(await latest('sub', '!big'), ['sub', 'sub/Letter.TXT']);
  assert.deepEqual(await latest('--newest', '2001-09-09 02:00', '*'), ['letter.txt', 'other.name']);
  assert.deepEqual(await latest('-O', '1d', 'letter.*'), []);
  assert.deepEqual(await latest('-O', '1d', 'sub'), ['sub', 'sub/Letter.TXT', 'sub/big']);
  assert.deepEqual(await latest('--min-size', '2K', '*'), ['sub/big']);
  assert.deepEqual(await latest('nothing'), []);
  assert.equal((await place.ok(['find', 'nothing'])).out, 'nothing was found in 2 snapshots\n');
  assert.equal((await place.ok(['find', '--blob', '123456789abcdef'])).out, 'nothing was found in 2 snapshots\n');
});

test('find -l lists as ls -l does', async () => {
  const long = (await place.ok(['find', '-ql', '-s', first, 'link', 'sub/big'])).out;
  const listed = (await place.ok(['ls', '-ql', first])).out.split('\n');
  assert.equal(long, `${listed.filter((line) => / -> |sub\/big$/.test(line)).join('\n')}\n`);
  assert.match((await place.ok(['find', '-l', '--human-readable', 'big'])).out, / 2\.930 KiB /);
});

test('find --json is one array, with what restic has of each match', async () => {
  const [newest, oldest, ...more] = await place.json<Matches[]>(['find', 'letter.txt', 'link', 'sub']);
  assert.deepEqual([newest?.snapshot, oldest?.snapshot, more.length], [second, first, 0]);
  assert.deepEqual([newest?.hits, newest?.matches.length], [5, 5]);
  const [letter, link, sub] = newest?.matches ?? [];
  const stat = lstatSync(`${source}/letter.txt`);
  const { user, group, ctime, ...rest } = letter ?? { path: '' };
  assert.deepEqual(rest, {
    path: `${source}/letter.txt`,
    permissions: '-rw-r--r--',
    name: 'letter.txt',
    type: 'file',
    mode: 420,
    mtime: '2001-09-09T01:46:40Z',
    atime: '2001-09-09T01:46:40Z',
    uid: stat.uid,
    gid: stat.gid,
    inode: stat.ino,
    device_id: stat.dev,
    size: 5,
    links: 2,
  });
  assert.deepEqual([typeof user, typeof group, typeof ctime], ['string', 'string', 'string']);
  assert.deepEqual([link?.type, link?.linktarget, link?.size, link?.links], ['symlink', 'letter.txt', undefined, 1]);
  assert.deepEqual([sub?.type, sub?.size, sub?.links], ['dir', undefined, undefined]);
  assert.equal((await place.ok(['find', '--json', 'nothing'])).out, '[]\n');
  const odd = await place.json<Matches[]>(['find', '-s', 'latest', 'odd*']);
  const match = odd[0]?.matches[0];
  assert.deepEqual(match?.path, `${source}/odd\ufffd.txt`);
  assert.ok(Buffer.from(String(match?.path_raw), 'base64').equals(ODD));
});

test('a name that is not UTF-8 can be looked for', async () => {
  const { out, code } = await place.shell(`find -q -s latest "$(printf 'odd\\377*')"`);
  assert.deepEqual([code, out], [0, `"${source}/odd\\xff.txt"\n`]);
});

test('find --blob, --tree and --pack say what needs them', async () => {
  const trees = await place.json<{ tree: string }[]>(['snapshots', 'latest']);
  const tree = trees[0]?.tree ?? '';
  const at = await place.json<FoundObject[]>(['find', '--tree', tree.slice(0, 10)]);
  assert.deepEqual(at.map(({ object_type, id, path }) => [object_type, id, path])[0], ['tree', tree, '/']);
  const packs = (await place.ok(['list', 'packs'])).out.trim().split('\n');
  const all = await place.json<FoundObject[]>(['find', '-s', 'latest', '--show-pack-id', '--pack', ...packs]);
  const letter = all.find(({ path, object_type }) => path === `${source}/letter.txt` && object_type === 'blob');
  assert.deepEqual(Object.keys(letter ?? {}), ['object_type', 'id', 'path', 'parent_tree', 'pack', 'snapshot', 'time']);
  assert.equal(letter?.time, '2026-02-01T10:00:00Z');
  assert.ok(packs.includes(letter?.pack ?? ''));
  const id = letter?.id ?? '';
  const needing = await place.json<FoundObject[]>(['find', '--blob', id]);
  assert.deepEqual(
    needing.map(({ path, snapshot }) => [path.replace(`${source}/`, ''), snapshot]),
    [
      ['letter.txt', second],
      ['other.name', second],
      ['letter.txt', first],
      ['other.name', first],
    ],
  );
  const { out } = await place.ok(['find', '-s', first, '--show-pack-id', '--blob', id.slice(0, 8)]);
  assert.deepEqual(out.split('\n').slice(0, 5), [
    `Found blob ${id}`,
    ` ... in file ${source}/letter.txt`,
    `     (tree ${letter?.parent_tree})`,
    ` ... in pack ${letter?.pack}`,
    ` ... in snapshot ${first.slice(0, 8)} (2026-01-01 10:00:00)`,
  ]);
  assert.equal((await place.ok(['find', '--json', '--blob', '0'.repeat(64)])).out, '[]\n');
});

test('what cannot be is refused, in words', async () => {
  const refused = async (message: RegExp, ...args: string[]): Promise<void> => {
    const { code, err } = await place.run(['find', ...args]);
    assert.equal(code, 1, args.join(' '));
    assert.match(err, message);
  };
  await refused(/^Fatal: a pattern is missing, /);
  await refused(/^Fatal: --blob, --tree and --pack exclude each other$/m, '--blob', '--tree', 'ab');
  await refused(/^Fatal: "xyz" is not an id/, '--blob', 'xyz');
  await refused(/^Fatal: pack 0{8}: not in the index$/m, '--pack', '00000000');
  await refused(/^Fatal: --oldest: "soon" is not a time: /, '-O', 'soon', 'x');
  await refused(/^Fatal: '1X' is not a size: /, '--min-size', '1X', 'x');
  await refused(/^Fatal: pattern '\[' is malformed: /, '[');
});
