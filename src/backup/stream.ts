import { Buffer } from 'node:buffer';
import { asBuffer } from '../bytes/views.js';
import { VarveError } from '../errors/errors.js';
import type { FileStat } from '../filesystem/stat.js';
import type { ContentRef } from '../format/content.js';
import { timeFromMillis } from '../time/time.js';
import type { BackupPool } from './assembly.js';
import type { Reply } from './messages.js';
import type { StreamSource } from './options.js';
import { readEntry } from './previous.js';

const FILE_MODE = 0o644;
const DIRECTORY_MODE = 0o755;
/** One thread stores the whole stream, because where a chunk ends depends on the one before. */
const WORKER = 0;
const ROOT_NAME = Buffer.from('root');

/**
 * Stores a stream as one file, in the directories of its path.
 *
 * @param now milliseconds since 1970, for the file's times
 * @returns the root directory
 */
export async function storeStream(pool: BackupPool, source: StreamSource, now: number): Promise<ContentRef> {
  await pool.runOn(WORKER, { kind: 'stream', bytes: new Uint8Array() });
  for await (const bytes of source.bytes) {
    if (bytes.length > 0) await pool.runOn(WORKER, { kind: 'stream', bytes });
  }
  const { size, ids } = contentOf(await pool.runOn(WORKER, { kind: 'stream', bytes: undefined }));
  const names = source.path
    .toString('latin1')
    .split('/')
    .filter(Boolean)
    .map((name) => Buffer.from(name, 'latin1'));
  const name = names.pop();
  if (name === undefined) throw new VarveError('usage', 'a stream needs a file name');
  const stat = syntheticStat('file', FILE_MODE, now, size);
  const file = { name, stat, changed: false, layout: undefined, stored: size };
  const { path } = source;
  let raw = entryOf(await pool.runOn(WORKER, { kind: 'file', directory: undefined, path, file, size, ids }));
  let child: Buffer = name;
  for (const directory of [...names.reverse(), ROOT_NAME]) {
    const late = [{ name: child, raw }];
    const directoryStat = syntheticStat('directory', DIRECTORY_MODE, now, 0);
    const task = {
      kind: 'directory',
      name: directory,
      path: directory,
      isRoot: directory === ROOT_NAME,
      stat: directoryStat,
      previous: undefined,
      xattrs: undefined,
      entries: [],
      late,
    } as const;
    raw = entryOf(await pool.runOn(WORKER, task));
    child = directory;
  }
  return rootOf(raw);
}

function contentOf(reply: Reply): { size: number; ids: Buffer } {
  if (reply.kind !== 'content') throw new VarveError('internal', `a worker sent the unexpected reply "${reply.kind}"`);
  return { size: reply.content.size, ids: asBuffer(reply.content.ids) };
}

function entryOf(reply: Reply): Uint8Array {
  if (reply.kind !== 'entry' || reply.raw === undefined) throw new VarveError('internal', 'a worker returned no entry');
  return reply.raw;
}

function rootOf(raw: Uint8Array): ContentRef {
  const content = readEntry(raw, 'stream')?.content;
  if (content === undefined) throw new VarveError('internal', 'a worker returned no directory');
  return { ...content, ids: Buffer.from(content.ids) };
}

function syntheticStat(type: 'file' | 'directory', mode: number, now: number, size: number): FileStat {
  const { seconds, nanoseconds } = timeFromMillis(now);
  return {
    type,
    mode,
    uid: 0,
    gid: 0,
    mtimeSeconds: seconds,
    mtimeNanoseconds: nanoseconds,
    ctimeSeconds: seconds,
    ctimeNanoseconds: nanoseconds,
    size,
    inode: 0,
    device: 0,
    links: 1,
    atime: [seconds, nanoseconds],
    btime: undefined,
    rdevMajor: 0,
    rdevMinor: 0,
    blocks: 0,
  };
}
