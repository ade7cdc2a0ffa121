import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { RestoreReport, type RestoreSetting } from '../../src/cli/commands/restore/report.js';
import type { Context } from '../../src/cli/program/shell.js';
import { Output, type Verbosity } from '../../src/cli/terminal/output.js';
import type { RestoreEvent, RestoreProgress } from '../../src/restore/options.js';

const PROGRESS = {
  ...{ totalDirs: 0, dirsRestored: 0 },
  ...{ totalFiles: 0, filesRestored: 0, filesSkipped: 0, filesDeleted: 0, filesOmitted: 0 },
  ...{ totalBytes: 0, bytesRestored: 0, bytesSkipped: 0, errors: 0, warnings: 0 },
};

const SETTING = { dryRun: false, verify: false, including: false, isOnTheWay: () => false };

interface Run {
  readonly json?: boolean;
  readonly verbosity?: Verbosity;
  readonly setting?: Partial<RestoreSetting>;
  readonly progress?: Partial<RestoreProgress>;
}

/** What is on standard output and standard error after these events. */
function outcome(events: readonly RestoreEvent[], run: Run): { out: string[]; err: string[] } {
  const [out, err] = [new PassThrough({ highWaterMark: 1 << 20 }), new PassThrough({ highWaterMark: 1 << 20 })];
  const output = new Output(run.json ?? false, run.verbosity ?? 1, out as never, err as never);
  const report = new RestoreReport({ output, environment: {} } as Context, { ...SETTING, ...run.setting });
  for (const event of events) report.event(event);
  report.finish({ ...PROGRESS, ...run.progress });
  output.flush();
  const lines = (stream: PassThrough): string[] =>
    String(stream.read() ?? '')
      .split('\n')
      .slice(0, -1);
  return { out: lines(out), err: lines(err) };
}

const told = (events: readonly RestoreEvent[], json: boolean, verbosity: Verbosity): string[] =>
  outcome(events, { json, verbosity }).err;

const warning = (about: 'owner' | 'attribute', number: number): RestoreEvent => ({
  kind: 'warning',
  about,
  path: Buffer.from(`/file ${number}`),
  message: 'it\x1b could not be set',
});
const many = [
  ...Array.from({ length: 1234 }, (_, number) => warning('owner', number)),
  warning('attribute', 1),
  warning('attribute', 1),
];

test('of many warnings of a kind a few are told, and how many files there were', () => {
  assert.deepEqual(told(many, false, 1), [
    ...[0, 1, 2].map((number) => `warning: /file ${number}: "it\\x1b could not be set"`),
    ...[1, 1].map((number) => `warning: /file ${number}: "it\\x1b could not be set"`),
    'warning: the owner of 1,234 files could not be set (-v prints all)',
    'warning: extended attributes or ACLs of 1 file could not be set',
  ]);
});

test('with -v all are told', () => {
  assert.equal(told(many, false, 2).length, many.length + 2);
});

test('with --json each is a warning on standard error, and nothing else', () => {
  const lines = told(many, true, 1).map((line) => JSON.parse(line));
  assert.equal(lines.length, many.length);
  assert.deepEqual(lines[0], { message_type: 'warning', message: 'it\x1b could not be set', item: '/file 0' });
});

test('of a folder that is only on the way nothing is told, and it is not counted', () => {
  const isOnTheWay = (path: Buffer): boolean => path.equals(Buffer.from('/file 1'));
  const three = [0, 1, 2].map((number) => warning('owner', number));
  assert.deepEqual(outcome(three, { setting: { isOnTheWay } }).err, [
    ...[0, 2].map((number) => `warning: /file ${number}: "it\\x1b could not be set"`),
    'warning: the owner of 2 files could not be set',
  ]);
  assert.equal(outcome(three, { setting: { isOnTheWay }, json: true }).err.length, 2);
});

test('-v tells what is changed, -vv of every file, and so does -v with --json', () => {
  const actions = ['restored', 'updated', 'unchanged', 'deleted', 'omitted'] as const;
  const items = actions.map((action) => ({ kind: 'item', action, path: Buffer.from('/a'), size: 1 }) as const);
  const tells = (run: Run): boolean[] =>
    actions.map((action) => outcome(items, run).out.some((line) => line.includes(action)));
  assert.deepEqual(tells({ verbosity: 2 }), [true, true, false, true, true]);
  assert.deepEqual(tells({ verbosity: 3 }), [true, true, true, true, true]);
  assert.deepEqual(tells({ verbosity: 2, json: true }), [true, true, true, true, true]);
});

test('what was there of files that an interrupted run had begun is told', () => {
  const progress = {
    totalFiles: 1,
    filesRestored: 1,
    totalBytes: 3 << 20,
    bytesRestored: 1 << 20,
    bytesSkipped: 2 << 20,
  };
  assert.equal(
    outcome([], { progress }).out[0],
    'Summary: Restored 1 files/dirs (1.000 MiB) in 0:00, 2.000 MiB were there already',
  );
});

test('the summary counts directories and leaves out zeros, as restic does', () => {
  const progress = { totalFiles: 3, filesRestored: 1, filesSkipped: 2, totalDirs: 4, dirsRestored: 4 };
  assert.equal(
    outcome([], { progress: { ...progress, totalBytes: 5, bytesRestored: 2, bytesSkipped: 3 } }).out[0],
    'Summary: Restored 5 files/dirs (2 B) in 0:00, skipped 2 files/dirs 3 B',
  );
  assert.equal(
    outcome([], { progress, json: true }).out[0],
    '{"message_type":"summary","total_files":5,"files_restored":5,"files_skipped":2}',
  );
});

test('errors are counted in the last line', () => {
  assert.deepEqual(outcome([], { progress: { errors: 1 } }).err, ['Fatal: there was 1 error']);
  assert.deepEqual(outcome([], { progress: { errors: 2 } }).err, ['Fatal: there were 2 errors']);
});
