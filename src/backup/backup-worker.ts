import { Buffer } from 'node:buffer';
import { closeSync } from 'node:fs';
import { asBuffer } from '../bytes/views.js';
import { VarveError } from '../errors/errors.js';
import { Directory, type DirectoryPlace } from '../filesystem/directory.js';
import { BackupFilter } from '../filesystem/filter.js';
import { OwnerNames } from '../filesystem/owners.js';
import { type FileStat, fstat } from '../filesystem/stat.js';
import { Layout } from '../format/layout.js';
import { joinPath } from '../format/path.js';
import { type Served, serveTasks } from '../workers/serve.js';
import { count } from './counters.js';
import { memoryOf } from './entry-run.js';
import { EntryStorer } from './entry-storer.js';
import { readFailure, storeSegment } from './file-storer.js';
import { mergeEntries } from './merge.js';
import type { Note, Reply, Task, WorkerInit } from './messages.js';
import { BackupReporter } from './reporter.js';
import { createStorer, type Storer } from './storer.js';
import { Walker } from './walker.js';

type TaskOf<Kind extends Task['kind']> = Extract<Task, { kind: Kind }>;

serveTasks<WorkerInit, Task, Reply, Note>((init, note) => {
  const storer = createStorer(init, note);
  const warn = (message: string): void => note({ kind: 'error', path: Buffer.alloc(0), message, during: 'scan' });
  const reporter = new BackupReporter(init, note);
  const entries = new EntryStorer(init, storer, new OwnerNames(), reporter);
  const walker = new Walker(init, { storer, filter: new BackupFilter(init.filter, warn), entries, reporter }, note);
  return (task) => {
    const served = perform(task, { init, storer, entries, walker });
    storer.countStored();
    entries.current.clear();
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
      return files(task, context);
    case 'segment':
      return segment(task, context);
    case 'file':
      return file(task, context);
    case 'directory':
      return directory(task, context);
    case 'stream':
      return stream(task, context);
    case 'flush':
      return { reply: { kind: 'partialPacks', parts: context.storer.takePartialPacks() } };
  }
}

function walk(task: TaskOf<'walk'>, { walker }: Context): Served<Reply> {
  const result = walker.walk(task.directory);
  if (!('opened' in result)) return { reply: { kind: 'entry', raw: result.raw } };
  const transfer = memoryOf(result.opened.flatMap(({ entries }) => entries));
  return { reply: { kind: 'opened', directories: result.opened }, transfer };
}

function files(task: TaskOf<'files'>, { walker }: Context): Served<Reply> {
  const entries = walker.files(task).pieces();
  return { reply: { kind: 'entries', entries }, transfer: memoryOf(entries) };
}

function file(task: TaskOf<'file'>, { entries }: Context): Served<Reply> {
  const { directory, path, size, ids } = task;
  return {
    reply: { kind: 'entry', raw: entries.finishFile(directory, asBuffer(path), task.file, size, asBuffer(ids)) },
  };
}

/** Stores a segment of a large file, which must still be the file that was found. When it was truncated the segment is shorter. */
function segment(task: TaskOf<'segment'>, { init, storer, entries }: Context): Served<Reply> {
  const { offset, length } = task;
  entries.current.set(joinPath(asBuffer(task.directory.path), asBuffer(task.file.name)));
  const { name, stat, stored, layout: encoded } = task.file;
  const layout = encoded && Layout.decode(asBuffer(encoded), stat.size, stored, 'layout');
  let read = 0;
  try {
    const opened = reopen(task.directory, asBuffer(name), stat);
    try {
      const content = storeSegment(storer, opened, { offset, length, stored, layout }, (bytes) => {
        read += bytes;
        count(init.counters, 'bytes', bytes);
      });
      return { reply: { kind: 'content', content } };
    } finally {
      closeSync(opened);
    }
  } catch (cause) {
    count(init.counters, 'bytes', -read);
    return { reply: { kind: 'failed', reason: readFailure(cause) } };
  }
}

/** Opens a file and checks that it is the one seen before. */
function reopen(place: DirectoryPlace, name: Buffer, seen: FileStat): number {
  const directory = Directory.openPlace(place);
  try {
    const opened = directory.openFile(name);
    const { inode, device } = fstat(opened);
    if (inode === seen.inode && device === seen.device) return opened;
    closeSync(opened);
    throw new VarveError('source', 'was replaced while it was being read');
  } finally {
    directory.close();
  }
}

function directory(task: TaskOf<'directory'>, { entries }: Context): Served<Reply> {
  const { name, path, stat, previous, xattrs, isRoot } = task;
  const walked = { name: Buffer.from(name), path: Buffer.from(path), stat, previous, xattrs, isRoot };
  const raw = entries.finishDirectory(walked, mergeEntries(task.entries.map(asBuffer), task.late));
  return { reply: { kind: 'entry', raw } };
}

/** Stores one piece of a stream, such as standard input, which the main thread reads. An empty piece begins it, `undefined` ends it. */
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
