import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { Lister } from '../../src/backup/lister.js';
import type { PendingDirectory } from '../../src/backup/messages.js';
import type { BackupReporter } from '../../src/backup/reporter.js';
import { Directory } from '../../src/filesystem/directory.js';
import { BackupFilter, NO_FILTER } from '../../src/filesystem/filter.js';
import { lstat } from '../../src/filesystem/stat.js';
import { MAX_DEPTH } from '../../src/format/limits.js';

test('Lister reports and excludes a directory that is nested too deeply, but not a file there', () => {
  const told: string[] = [];
  const entries = {
    reportError: (path: Buffer, cause: Error) => told.push(`${path.length} ${cause.message}`),
  } as unknown as BackupReporter;
  const lister = new Lister(new BackupFilter(NO_FILTER), entries, []);
  const directoryStat = lstat(Buffer.from('/'));
  const look = (depth: number, type: 'directory' | 'file'): boolean => {
    const directory = Directory.unopened(Buffer.from('/d'.repeat(depth - 1)));
    directory.lstat = () => ({ ...directoryStat, type });
    const pending = { rootDevice: directoryStat.device, only: undefined } as unknown as PendingDirectory;
    return lister.stat(directory, Buffer.from('d'), pending) !== undefined;
  };
  assert.ok(look(MAX_DEPTH - 1, 'directory'), 'what browsing a snapshot takes');
  assert.ok(look(MAX_DEPTH, 'file'));
  assert.deepEqual(told, []);
  assert.ok(!look(MAX_DEPTH, 'directory'));
  assert.equal(told.length, 1);
  assert.match(
    String(told[0]),
    new RegExp(`^${2 * MAX_DEPTH} not backed up, nor anything in it: a snapshot holds at most 4095 levels`),
  );
});
