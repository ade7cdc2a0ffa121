import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { createCounters, sumCounters } from '../../src/backup/counters.js';
import { CurrentFile } from '../../src/backup/current-file.js';
import { EntryStorer } from '../../src/backup/entry-storer.js';
import type { Note, WorkerInit } from '../../src/backup/messages.js';
import { readEntry } from '../../src/backup/previous.js';
import { BackupReporter } from '../../src/backup/reporter.js';
import { createTallies } from '../../src/backup/source-tally.js';
import type { Storer } from '../../src/backup/storer.js';
import { Directory } from '../../src/filesystem/directory.js';
import { OwnerNames } from '../../src/filesystem/owners.js';
import type { XattrPlace } from '../../src/filesystem/xattrs.js';
import type { EntryReader } from '../../src/format/entry-reader.js';
import { scratchDirectory } from './sandbox.js';

const scratch = scratchDirectory();
const NAME = Buffer.from('pipe');
const NO_FILE = -1;

test('backup tries unreadable attributes again the next time', () => {
  execFileSync('mkfifo', [join(scratch, 'pipe')]);
  const directory = Directory.unopened(Buffer.from(scratch));
  const stat = directory.lstat(NAME);
  const counters = createCounters(1);
  const notes: Note[] = [];
  const rules = { ignoreInode: false, ignoreCtime: false, racySince: Number(stat.ctimeSeconds) + 10, withAtime: false };
  const current = new CurrentFile().memory;
  const [tally] = createTallies(1, []);
  const init = { counters: counters[0], current, rules, tally, verbose: false } as unknown as WorkerInit;
  const storer = { attach: (bytes: Buffer) => bytes } as unknown as Storer;
  const entries = new EntryStorer(init, storer, new OwnerNames(), new BackupReporter(init, (note) => notes.push(note)));
  const store = (before: EntryReader | undefined): EntryReader | undefined => {
    const taken = entries.special(directory, NAME, stat, before);
    return taken && readEntry(taken.raw, 'entry');
  };
  const errors = (): number => sumCounters(counters).errors;

  directory.xattrPlace = (): XattrPlace => NO_FILE;
  const first = store(undefined);
  assert.ok(first, 'the file itself is stored');
  assert.equal(errors(), 1);
  const second = store(first);
  assert.equal(errors(), 2);
  directory.xattrPlace = Directory.prototype.xattrPlace;
  const third = store(second);
  assert.equal(third?.ctimeSeconds, stat.ctimeSeconds);
  directory.xattrPlace = (): XattrPlace => NO_FILE;
  assert.deepEqual(store(third)?.raw, third?.raw, 'what was read once is taken over');
  assert.equal(errors(), 2);
  assert.equal(notes.length, 2);
});
