import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { Output, type Verbosity } from '../../src/cli/output.js';
import { RestoreReport } from '../../src/cli/restore/report.js';
import type { Context } from '../../src/cli/shell.js';
import type { RestoreEvent } from '../../src/restore/options.js';

const PROGRESS = {
  ...{ totalFiles: 0, filesRestored: 0, filesSkipped: 0, filesDeleted: 0, filesOmitted: 0 },
  ...{ totalBytes: 0, bytesRestored: 0, bytesSkipped: 0, errors: 0, warnings: 0 },
};

/** What is on standard error after these events. */
function told(events: readonly RestoreEvent[], json: boolean, verbosity: Verbosity): string[] {
  const err = new PassThrough({ highWaterMark: 1 << 20 });
  const output = new Output(json, verbosity, new PassThrough() as never, err as never);
  const report = new RestoreReport({ output, environment: {} } as Context);
  for (const event of events) report.event(event);
  report.finish(PROGRESS, false, false);
  return String(err.read()).trim().split('\n');
}

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
    'warning: the owner of 1,234 files could not be set: only root can set any owner',
    'warning: extended attributes or ACLs of 1 file could not be set',
  ]);
});

test('with -v all are told', () => {
  assert.equal(told(many, false, 2).length, many.length + 2);
});

test('with --json each is an error on standard error, and nothing else', () => {
  const lines = told(many, true, 1).map((line) => JSON.parse(line));
  assert.equal(lines.length, many.length);
  assert.deepEqual(lines[0], {
    message_type: 'error',
    error: { message: '/file 0: it\x1b could not be set' },
    during: 'restore',
    item: '/file 0',
  });
});
