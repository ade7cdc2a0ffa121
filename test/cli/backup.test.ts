import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { QUIET, undisturbed } from '../backup/sandbox.js';
import { outcome, Playground } from './varve.js';

interface Summary {
  readonly files_new: number;
  readonly files_unmodified: number;
  readonly data_added: number;
  readonly total_files_processed: number;
  readonly snapshot_id?: string;
  readonly dry_run?: boolean;
}

interface Snapshot {
  readonly id: string;
  readonly time: string;
  readonly hostname: string;
  readonly paths: string[];
  readonly tags?: string[];
  readonly excludes?: string[];
  readonly parent?: string;
}

/** Milliseconds for which a file that was just written is read again, as its times prove nothing. */
const UNCERTAIN = 3100;
const place = new Playground(QUIET);
const source = place.files('source', {
  'a.txt': 'a',
  'b.tmp': 'b',
  'B.TMP': 'B',
  'deep/er/c.txt': 'c',
  'cache/CACHEDIR.TAG': 'Signature: 8a477f597d28d172789f06886806bc55\n',
  'cache/data': 'x',
  'marked/.nobackup': '',
  'marked/data': 'x',
  'large.bin': Buffer.alloc(3000),
});

before(async () => {
  await place.ok(['init']);
  await delay(UNCERTAIN);
});

/** Paths of the files in a snapshot, below the source directory. */
async function listed(id: string): Promise<string[]> {
  const { out } = await place.ok(['ls', id, '--json']);
  const nodes = out
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => JSON.parse(line) as { path: string; type: string });
  return nodes
    .filter(({ type, path }) => type === 'file' && path.startsWith(`${source}/`))
    .map(({ path }) => path.slice(source.length + 1));
}

const snapshots = (...args: string[]): Promise<Snapshot[]> => place.json<Snapshot[]>(['snapshots', ...args]);

test('the summary in text has the lines that wrappers look for', async () => {
  const first = await place.ok(['backup', source, '--tag', 'text']);
  assert.match(
    first.out,
    /^no parent snapshot found, will read all files\n\nFiles: {11}9 new, {5}0 changed, {5}0 unmodified\n/,
  );
  assert.match(first.out, /^Dirs: {8} *\d+ new, {5}0 changed, {5}0 unmodified$/m);
  assert.match(first.out, /^Added to the repository: [\d.]+ (B {2}|B|KiB|MiB) \([\d.]+ (B|KiB|MiB) *stored\)$/m);
  assert.match(first.out, /\n\nprocessed 9 files, 2\.\d+ KiB in 0:\d\d\nsnapshot [0-9a-f]{8} saved\n$/);
  assert.equal(first.err, '');
  const second = await place.ok(['backup', source, '--tag', 'text']);
  const id = /snapshot (\w+) saved/.exec(first.out)?.[1];
  assert.ok(
    second.out.startsWith(`using parent snapshot ${id}\n\nFiles:           0 new,     0 changed,     9 unmodified\n`),
  );
  assert.equal((await place.ok(['backup', '-q', source])).out, '');
});

test('with --json there is a status or summary a line, its keys in order', async () => {
  const { out, err } = await place.ok(['backup', '--json', source], { env: { VARVE_PROGRESS_FPS: '60' } });
  const lines = out.trimEnd().split('\n');
  for (const line of lines.slice(0, -1)) assert.match(line, /^\{"message_type":"status",.*"percent_done":/);
  const last = lines.at(-1) ?? '';
  assert.ok(last.startsWith('{"message_type":"summary","files_new":') && last.endsWith('}'));
  assert.deepEqual(Object.keys(JSON.parse(last)), [
    'message_type',
    'files_new',
    'files_changed',
    'files_unmodified',
    'dirs_new',
    'dirs_changed',
    'dirs_unmodified',
    'data_blobs',
    'tree_blobs',
    'data_added',
    'data_added_packed',
    'total_files_processed',
    'total_bytes_processed',
    'backup_start',
    'backup_end',
    'total_duration',
    'snapshot_id',
  ]);
  assert.match(JSON.parse(last).snapshot_id, /^[0-9a-f]{64}$/);
  assert.equal(err, '');
});

test('-v --json tells of every file', async () => {
  const { out } = await place.ok(['backup', '--json', '-v', '--force', source]);
  const verbose = out.split('\n').filter((line) => line.includes('"verbose_status"'));
  const file = verbose.map((line) => JSON.parse(line)).find(({ item }) => item === `${source}/a.txt`);
  assert.deepEqual(Object.keys(file), [
    'message_type',
    'action',
    'item',
    'duration',
    'data_size',
    'data_size_in_repo',
    'metadata_size',
    'metadata_size_in_repo',
    'total_files',
  ]);
  assert.equal(file.action, 'new');
  assert.match((await place.ok(['backup', '-vv', source])).out, /^unchanged .*a\.txt$/m);
});

test('a source that is not there gives exit code 3 and a snapshot of the others', async () => {
  const { code, out, err } = await place.run(['backup', source, place.path('missing')]);
  assert.equal(code, 3);
  assert.match(out, /snapshot \w+ saved/);
  assert.match(err, /^error: .*missing: no such file or directory$/m);
  assert.match(err, /^Warning: at least one source file could not be read$/m);
  const json = await place.run(['backup', '--json', source, place.path('missing')]);
  assert.equal(json.code, 3);
  assert.match(
    json.err,
    /^\{"message_type":"error","error":\{"message":".*"\},"during":"scan","item":".*missing"\}\n\{"message_type":"exit_error","code":3,/,
  );
});

test('without any source there is an error', async () => {
  assert.equal((await place.run(['backup', place.path('missing')])).code, 1);
  assert.match((await place.run(['backup'])).err, /nothing to back up/);
});

test('excludes: patterns, files of patterns, caches, marks, sizes', async () => {
  const exclude = async (...args: string[]) => listed(await place.backup(source, ...args));
  assert.ok(!(await exclude('-e', '*.tmp')).includes('b.tmp'));
  assert.ok((await exclude('-e', '*.tmp')).includes('B.TMP'));
  assert.ok(!(await exclude('--iexclude', '*.tmp')).includes('B.TMP'));
  writeFileSync(place.path('patterns'), '# comment\n*.tmp\n$GONE/er\n');
  const { excludes } = (await snapshots('latest')).at(-1) ?? {};
  assert.deepEqual(excludes, ['*.tmp']);
  const byFile = await exclude('--exclude-file', place.path('patterns'), '-e', 'deep');
  assert.deepEqual(byFile, [
    'B.TMP',
    'a.txt',
    'cache/CACHEDIR.TAG',
    'cache/data',
    'large.bin',
    'marked/.nobackup',
    'marked/data',
  ]);
  assert.ok(!(await exclude('--exclude-caches')).includes('cache/data'));
  assert.ok(!(await exclude('--exclude-if-present', '.nobackup')).includes('marked/data'));
  assert.ok(!(await exclude('--exclude-larger-than', '2K')).includes('large.bin'));
  assert.ok((await exclude('--exclude-larger-than', '3K', '-x')).includes('large.bin'));
  assert.match((await place.run(['backup', source, '-e', '[a'])).err, /^Fatal: pattern '\[a' is malformed/);
});

test('backup warns when a path after --exclude, or a list of patterns, excludes nothing', async () => {
  const dry = (...args: string[]) => place.ok(['backup', source, '--dry-run', '--max-shrink', '100%', ...args]);
  const near = await dry('-e', `${source}/deep`, '-e', `${source}/typo`, '-e', '/', '-e', '*.none');
  assert.equal(near.err, `Warning: --exclude ${source}/typo excludes nothing: the path does not exist\n`);
  const far = await dry('-e', '/cache2/');
  assert.match(far.err, /^Warning: --exclude \/cache2\/ excludes nothing: it is not below any of the paths/);
  assert.equal((await dry('-e', '/cache2', '--quiet')).err, '');
  assert.match((await dry('-e', '*.tmp', '-e', '!*/')).err, /the pattern '!\*\/' includes again everything/);
});

test('the rule that leaves a path out is told, as it was given and so that it does no harm', async () => {
  const args = ['backup', source, '--dry-run', '-vv', '-e', '*.tmp', '--iexclude', 'A.t[x\x1b]t'];
  const { out } = await place.ok(args);
  assert.match(out, /^excluded {2}.*\/b\.tmp by --exclude=\*\.tmp$/m);
  assert.match(out, /^excluded {2}.*\/a\.txt by "--iexclude=A\.t\[x\\x1b\]t"$/m);
  const json = await place.ok(['backup', source, '--dry-run', '-v', '--json', '-e', '*.tmp']);
  assert.match(json.out, /"action":"excluded","item":"[^"]*\/b\.tmp","rule":"--exclude=\*\.tmp"/);
});

test('a mark without the header asked for is a warning, and nothing is left out', async () => {
  const args = ['backup', source, '--dry-run', '--exclude-if-present', '.nobackup:header'];
  const text = await place.ok(args);
  assert.match(text.err, /^warning: \/.*\/marked\/\.nobackup: not the header/);
  const { message_type, item } = JSON.parse((await place.ok([...args, '--json'])).err);
  assert.deepEqual({ message_type, item }, { message_type: 'warning', item: '' });
});

test('sources from files: globs, lines, bytes with zeros between', async () => {
  writeFileSync(place.path('globs'), `# comment\n${source}/*.txt\n`);
  assert.deepEqual(await listed(await place.backup('--files-from', place.path('globs'))), ['a.txt']);
  writeFileSync(place.path('lines'), `${source}/a.txt\n\n${source}/b.tmp\n`);
  assert.deepEqual(await listed(await place.backup('--files-from-verbatim', place.path('lines'))), ['a.txt', 'b.tmp']);
  writeFileSync(place.path('raw'), `${source}/b.tmp\0${source}/deep\0`);
  assert.deepEqual(await listed(await place.backup('--files-from-raw', place.path('raw'))), ['b.tmp', 'deep/er/c.txt']);
  const piped = await place.json<Summary>(['backup', '--files-from-raw', '-'], { input: `${source}/a.txt\0` });
  assert.deepEqual(await listed(piped.snapshot_id ?? ''), ['a.txt']);
});

test('tags, host and time are as asked for', async () => {
  const id = await place.backup(
    source,
    '--tag',
    'x,y',
    '--tag',
    'z',
    '--host',
    'web1',
    '--time',
    '2026-01-02 03:04:05',
  );
  const [snapshot] = await snapshots(id.slice(0, 12));
  assert.deepEqual(snapshot?.tags, ['x', 'y', 'z']);
  assert.equal(snapshot?.hostname, 'web1');
  assert.equal(snapshot?.time, '2026-01-02T03:04:05Z');
  assert.match((await place.run(['backup', source, '--time', 'noon'])).err, /--time: "noon" is not a time/);
});

test('an empty host is the name of this machine', async () => {
  const id = await place.backup(source, '--host', '');
  const all = await place.json<{ id: string; hostname: string }[]>(['snapshots']);
  assert.equal(all.find((each) => each.id === id)?.hostname, hostname());
});

test('the parent: the last of this host and these paths, one that is named, or none', async () => {
  const first = await place.backup(source, '--host', 'parents');
  const other = await place.backup(`${source}/deep`, '--host', 'parents');
  const second = await place.backup(source, '--host', 'parents');
  const parentOf = async (id: string) => (await snapshots(id))[0]?.parent;
  assert.equal(await parentOf(second), first);
  assert.equal(await parentOf(other), undefined);
  assert.equal(await parentOf(await place.backup(source, '--host', 'parents', '--parent', first)), first);
  assert.equal(await parentOf(await place.backup(source, '--host', 'parents', '--force')), undefined);
  assert.equal(await parentOf(await place.backup(source, '--host', 'new', '--group-by', 'host')), undefined);
  assert.match((await place.run(['backup', source, '--parent', 'ffff'])).err, /no snapshot matches "ffff"/);
});

test('a dry run and an unchanged one leave no snapshot', async () => {
  const count = (await snapshots()).length;
  place.files('dry', { new: randomBytes(1000) });
  const dry = await place.json<Summary>(['backup', '--dry-run', place.path('dry')]);
  assert.equal(dry.dry_run, true);
  assert.equal(dry.files_new, 1);
  assert.match(dry.snapshot_id ?? '', /^[0-9a-f]{64}$/, 'the one that it would have got');
  assert.match((await place.ok(['backup', '-n', place.path('dry')])).out, /^Would add to the repository: /m);
  assert.equal((await snapshots()).length, count);
  const [made, skipped] = await undisturbed(source, async () => [
    await place.ok(['backup', source, '--host', 'skip']),
    await place.ok(['backup', source, '--host', 'skip', '--skip-if-unchanged']),
  ]);
  assert.doesNotMatch(made?.out ?? '', /skipped creating snapshot/);
  assert.match(skipped?.out ?? '', /skipped creating snapshot/);
  assert.ok((await snapshots()).length > count);
});

test('standard input and the output of a command become files', async () => {
  const { snapshot_id: id = '' } = await place.json<Summary>(
    ['backup', '--stdin', '--stdin-filename', 'dumps/db.sql'],
    { input: 'piped' },
  );
  assert.equal((await place.ok(['dump', id, 'dumps/db.sql'])).out, 'piped');
  assert.deepEqual((await snapshots(id))[0]?.paths, ['/dumps/db.sql']);
  const { out } = await place.ok(['backup', '--json', '--stdin-from-command', '--', 'echo', '-v']);
  const command = JSON.parse(out.trim().split('\n').at(-1) ?? '') as Summary;
  assert.equal((await place.ok(['dump', command.snapshot_id ?? '', 'stdin'])).out, '-v\n');
});

test('a command that fails leaves no snapshot', async () => {
  const count = (await snapshots()).length;
  const failing = await place.run(['backup', '--stdin-from-command', '--', 'sh', '-c', 'echo some; exit 3']);
  assert.equal(failing.code, 1);
  assert.match(failing.err, /command sh failed with exit code 3; no snapshot was made/);
  assert.match(
    (await place.run(['backup', '--stdin-from-command', '--', 'no-such-program'])).err,
    /cannot run no-such-program: no such file/,
  );
  assert.equal((await snapshots()).length, count);
});

test('options that contradict each other are refused', async () => {
  for (const args of [
    ['--stdin', source],
    ['--stdin', '--files-from', 'x'],
    ['--stdin-from-command'],
    [source, '--read-concurrency', '0'],
    [source, '--compression', 'extreme'],
    [source, '--pack-size', '200'],
    [source, '--exclude-larger-than', 'big'],
    [source, '--group-by', 'colour'],
  ]) {
    const { code, err } = await place.run(['backup', ...args]);
    assert.equal(code, 1, args.join(' '));
    assert.match(err, /^Fatal: /, args.join(' '));
  }
});

test('Ctrl-C ends a backup with exit code 130, and what was stored is not stored again', async () => {
  const bytes = randomBytes(24 * 1024 * 1024);
  const beneath = await place.beneath();
  const before = (await beneath.names('data')).length;
  const child = place.start(['backup', '--stdin', '--stdin-filename', 'interrupted']);
  const ended = outcome(child);
  child.stdin?.write(bytes);
  while ((await beneath.names('data')).length === before) await delay(20);
  await delay(1500);
  child.kill('SIGINT');
  const { code, err, out } = await ended;
  assert.equal(code, 130);
  assert.match(err, /^interrupted; what was stored is kept and will be found by the next backup$/m);
  assert.doesNotMatch(out, /saved/);
  assert.deepEqual(await beneath.names('locks'), []);
  const again = await place.json<Summary>(['backup', '--stdin', '--stdin-filename', 'interrupted'], { input: bytes });
  assert.ok(again.data_added < bytes.length / 2, `${again.data_added} bytes were stored again`);
});

test('neither the password command nor the source command finds the password in its environment', async () => {
  const playground = new Playground();
  const dump = playground.path('dump');
  writeFileSync(dump, `#!/bin/sh\nenv > "$1"\necho hunter2\n`, { mode: 0o755 });
  const command = `${dump} ${playground.path('of-password-command')}`;
  const env = { VARVE_KEY_FILE: undefined, VARVE_PASSWORD: 'hunter2', PLAIN: 'kept' };
  await playground.ok(['init'], { env });
  const source = ['--stdin-from-command', '--', dump, playground.path('of-source-command')];
  await playground.ok(['backup', '--password-command', command, ...source], { env });
  for (const file of ['of-password-command', 'of-source-command']) {
    const seen = readFileSync(playground.path(file), 'utf8');
    assert.match(seen, /^PLAIN=kept$/m);
    assert.doesNotMatch(seen, /hunter2/, file);
  }
});
