import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackupProgress } from '../../src/backup/options.js';
import { ProgressReport } from '../../src/cli/commands/backup/progress-report.js';
import type { Context } from '../../src/cli/program/shell.js';
import { Output, type Verbosity } from '../../src/cli/terminal/output.js';

const MIB = 2 ** 20;

function reportTo(json: boolean, verbosity: Verbosity = 1) {
  const written: string[] = [];
  const stream = { isTTY: !json, columns: 60, write: (text: string) => written.push(text) > 0 };
  const output = new Output(json, verbosity, stream as never, stream as never);
  const report = new ProgressReport({ output, environment: {} } as unknown as Context, undefined);
  const show = (seconds: number, progress: BackupProgress): string => {
    written.length = 0;
    report.show(seconds, progress);
    output.flush();
    return written.join('');
  };
  return show;
}

function progress(bytes: number, scanned: BackupProgress['scanned'], ...current: string[]): BackupProgress {
  const counters = { filesNew: 3, filesChanged: 0, filesUnmodified: 0, bytes, errors: 0 };
  return {
    counters: counters as unknown as BackupProgress['counters'],
    scanned,
    current: current.map((path) => Buffer.from(path)),
  };
}

test('ProgressReport has no percentage when the scan is still counting', () => {
  const text = reportTo(false)(1, progress(MIB, { files: 10, bytes: 2 * MIB, isComplete: false }));
  assert.match(text, /\[0:01\] {2}3 files {2}1\.000 MiB of at least 2\.000 MiB/);
  assert.doesNotMatch(text, /%|ETA/);
});

test('ProgressReport shows percentage, ETA and the files that are read when the scan is done', () => {
  const show = reportTo(false);
  const scanned = { files: 10, bytes: 100 * MIB, isComplete: true };
  show(0, progress(0, scanned));
  show(1, progress(10 * MIB, scanned));
  const text = show(4, progress(40 * MIB, scanned, '/home/anna/a\x1b', `/home/${'long/'.repeat(20)}name`));
  assert.match(text, /\[0:04\] 40\.00% {2}ETA 0:06 {2}3 files {2}40\.000 MiB of 100/);
  const [, ...files] = text.split('\n');
  assert.deepEqual(files[0], '"/home/anna/a\\x1b"');
  assert.match(files[1] ?? '', /^…(long\/)*name$|^….*\/name$/);
  assert.equal(files[1]?.length, 59);
});

test('ProgressReport has the fields of restic when it writes JSON', () => {
  const show = reportTo(true, 2);
  const scanned = { files: 10, bytes: 4 * MIB, isComplete: true };
  const [finished, status] = show(1.5, progress(MIB, scanned, '/a'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual([finished.action, finished.data_size, finished.total_files], ['scan_finished', 4 * MIB, 10]);
  assert.deepEqual(status, {
    message_type: 'status',
    seconds_elapsed: 1,
    percent_done: 0.25,
    total_files: 10,
    files_done: 3,
    total_bytes: 4 * MIB,
    bytes_done: MIB,
    current_files: ['/a'],
  });
});
