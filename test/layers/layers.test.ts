import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';

/** What `npm run lint` says of a copy of the sources. */
let copy = '';

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), 'varve-layers-'));
  for (const path of ['src', 'scripts', 'docs/architecture.md']) cpSync(path, join(copy, path), { recursive: true });
});

afterEach(() => rmSync(copy, { recursive: true }));

function check(): { readonly code: number | null; readonly problems: readonly string[] } {
  const { status, stderr } = spawnSync(process.execPath, [join(copy, 'scripts/check-layers.mjs')], {
    encoding: 'utf8',
  });
  return { code: status, problems: stderr.split('\n').filter(Boolean) };
}

function refuses(problem: RegExp): void {
  const { code, problems } = check();
  assert.equal(code, 1);
  assert.equal(problems.length, 1, problems.join('\n'));
  assert.match(problems[0] ?? '', problem);
}

test('the check of layers accepts the sources as they are', () => {
  assert.deepEqual(check(), { code: 0, problems: [] });
});

test('the check of layers refuses a directory when no row lists it', () => {
  mkdirSync(join(copy, 'src/jobs'));
  writeFileSync(join(copy, 'src/jobs/job.ts'), 'export const job = 1;\n');
  refuses(/^src\/jobs\/job\.ts: jobs is not listed in scripts\/layers\.mjs$/);
});

const REFUSED: readonly [what: string, path: string, line: string][] = [
  ['a type from above', 'format/snapshot.ts', "import type { Repository } from '../repository/repository.js';"],
  ['a dynamic import from above', 'prune/prune.ts', "export const late = () => import('../check/check.js');"],
  ['a type in an expression', 'bytes/hex.ts', "export type Above = import('../format/time.js').Time;"],
  [
    'a worker of another operation',
    'copy/copy.ts',
    "export const url = new URL('../check/check-worker.js', import.meta.url);",
  ],
  ['an SDK outside its provider', 'storage/sftp/sftp-store.ts', "import { S3Client } from '@aws-sdk/client-s3';"],
  ['a package that no row lists', 'backup/backup.ts', "export * from 'left-pad';"],
  ['a provider outside open-store', 'cli/repository/open.ts', "export * from '../../storage/s3/s3-store.js';"],
  ['a file system in a pure layer', 'format/time.ts', "export { statSync } from 'node:fs';"],
  ['the environment below cli', 'restore/restore.ts', 'export const home = process.env.HOME;'],
  ['a signal handler below cli', 'mount/mount.ts', "process.on('SIGINT', () => undefined);"],
];

for (const [what, path, line] of REFUSED)
  test(`the check of layers refuses ${what}`, () => {
    appendFileSync(join(copy, 'src', path), `${line}\n`);
    refuses(new RegExp(`^src/${path}: .* may not `));
  });

test('the check of layers refuses a table in the docs that is out of date', () => {
  appendFileSync(join(copy, 'scripts/layers.mjs'), "LAYERS.errors.what = 'changed';\n");
  refuses(/^docs\/architecture\.md: its table of layers is out of date/);
});
