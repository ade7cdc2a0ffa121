import { Buffer } from 'node:buffer';
import { closeSync } from 'node:fs';
import { asBuffer, compareBytes } from '../bytes/views.js';
import { VarveError } from '../errors/errors.js';
import { BackupFilter } from '../filesystem/filter.js';
import { OwnerNames } from '../filesystem/owners.js';
import { fstat } from '../filesystem/stat.js';
import { EntryReader } from '../format/entry.js';
import { type Served, serveTasks } from '../workers/serve.js';
import { count } from './counters.js';
import { EntryStorer } from './entry-storer.js';
import { openForReading, readFailure, storeRange } from './file-storer.js';
import type { LateEntry, Note, Reply, Task, WorkerInit } from './messages.js';
import { createStorer, type Storer } from './storer.js';
import { Walker } from './walker.js';

type TaskOf<Kind extends Task['kind']> = Extract<Task, { kind: Kind }>;

serveTasks<WorkerInit, Task, Reply, Note>((init, note) => {
  const storer = createStorer(init, note);
  const warn = (message: string): void => note({ kind: 'error', path: Buffer.alloc(0), message, during: 'scan' });
  const entries = new EntryStorer(init, storer, new OwnerNames(), note);
  const walker = new Walker(init, storer, new BackupFilter(init.filter, warn), entries);
  return (task) => {
    const served = perform(task, { init, storer, entries, walker });
    storer.countStored();
    return served;
  };
});

interface Context {
  readonly init: WorkerInit;
  readonly storer: Storer;
  readonly entries: EntryStorer;
  readonly walker: Walker;
}

function perform(task: Task, context: Context): Served<Reply> {
  switch (task.kind) {
    case 'walk':
      return walk(task, context);
    case 'files':
      return { reply: { kind: 'entries', entries: context.walker.files(task.files) } };
    case 'segment':
      return segment(task, context);
    case 'file':
      return { reply: { kind: 'entry', raw: context.entries.finishFile(task.file, task.size, asBuffer(task.ids)) } };
    case 'directory':
      return directory(task, context);
    case 'stream':
      return stream(task, context);
    case 'flush':
      return { reply: { kind: 'rest', parts: context.storer.rest() } };
  }
}

function walk(task: TaskOf<'walk'>, { walker }: Context): Served<Reply> {
  const result = walker.walk(task.directory);
  return 'opened' in result
    ? { reply: { kind: 'opened', directories: result.opened } }
    : { reply: { kind: 'entry', raw: result.raw } };
}

/** A part of a large file. The file must still be the one that was found; a part that is gone is simply shorter. */
function segment(task: TaskOf<'segment'>, { init, storer }: Context): Served<Reply> {
  const path = Buffer.from(task.file.path);
  let read = 0;
  try {
    const file = openForReading(path);
    try {
      const stat = fstat(file);
      if (stat.inode !== task.file.stat.inode || stat.device !== task.file.stat.device) {
        throw new VarveError('source', 'was replaced while it was read');
      }
      const content = storeRange(storer, file, task.offset, task.length, task.length, (bytes) => {
        read += bytes;
        count(init.counters, 'bytes', bytes);
      });
      return { reply: { kind: 'content', content } };
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    count(init.counters, 'bytes', -read);
    return { reply: { kind: 'failed', reason: readFailure(cause) } };
  }
}

function directory(task: TaskOf<'directory'>, { entries }: Context): Served<Reply> {
  const { name, path, stat, previous } = task;
  const late = [...task.late].sort((a, b) => compareBytes(a.name, b.name));
  const children = merge(asBuffer(task.entries), late);
  const raw = entries.finishDirectory({ name: Buffer.from(name), path: Buffer.from(path), stat, previous }, children);
  return { reply: { kind: 'entry', raw } };
}

/** Two runs of entries, both in order of name, as one. */
function* merge(entries: Buffer, late: readonly LateEntry[]): Generator<Uint8Array> {
  const reader = new EntryReader(entries, 'directory');
  let next = 0;
  while (reader.next()) {
    for (; next < late.length; next++) {
      const entry = late[next] as LateEntry;
      if (compareBytes(entry.name, reader.name) > 0) break;
      yield entry.raw;
    }
    yield reader.raw;
  }
  for (; next < late.length; next++) yield (late[next] as LateEntry).raw;
}

/** One piece of a stream that the main thread reads, such as standard input; `undefined` ends it. The first piece is empty. */
function stream(task: TaskOf<'stream'>, { init, storer }: Context): Served<Reply> {
  if (task.bytes === undefined) {
    const content = storer.data.end();
    return { reply: { kind: 'content', content } };
  }
  storer.stopIfCancelled();
  if (task.bytes.length === 0) storer.data.begin();
  storer.data.write(task.bytes);
  count(init.counters, 'bytes', task.bytes.length);
  return { reply: { kind: 'none' } };
}
