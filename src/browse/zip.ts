import { Buffer } from 'node:buffer';
import { Readable } from 'node:stream';
import type { Entry } from '../format/entry.js';
import type { DumpedEntry, LeftOut } from './dump.js';

/** The file types of POSIX that zip's external attributes carry. */
const TYPE_BITS: Partial<Record<Entry['type'], number>> = { file: 0o100000, directory: 0o040000, symlink: 0o120000 };
/** Bytes; a directory has a slash besides. */
const MAX_NAME = 0xffff;
/** The last second of the year 2107, which is the last year of zip; yazl takes none before 1970. */
const LATEST = 4_354_819_199;
const SLASHES = /^\/+/;

/**
 * A zip archive of the entries: files, directories and symbolic links. Names in it are text: bytes that are not UTF-8 are lost, and a backslash, which
 * some programs take for a slash, becomes an underscore.
 *
 * @param onLeftOut is told of entries that zip cannot hold; owners and attributes it never holds
 */
export async function* writeZip(
  entries: AsyncIterable<DumpedEntry>,
  onLeftOut: (left: LeftOut) => void,
): AsyncGenerator<Buffer> {
  const { ZipFile } = await import('yazl');
  const zip = new ZipFile();
  const failure = new Promise<never>((_, reject) => zip.once('error', reject));
  failure.catch(() => undefined);
  const out = zip.outputStream as unknown as Readable;
  const filling = fill(zip, entries, onLeftOut).catch((cause: unknown) => out.destroy(cause as Error));
  zip.once('error', (cause: Error) => out.destroy(cause));
  for await (const bytes of out) yield bytes as Buffer;
  await filling;
}

async function fill(
  zip: import('yazl').ZipFile,
  entries: AsyncIterable<DumpedEntry>,
  onLeftOut: (left: LeftOut) => void,
): Promise<void> {
  for await (const dumped of entries) {
    const { path, entry, content } = dumped;
    const type = TYPE_BITS[entry.type];
    const name = path.toString('utf8').replace(SLASHES, '').replaceAll('\\', '_');
    if (type === undefined || Buffer.byteLength(name) >= MAX_NAME) {
      onLeftOut({ path, what: type === undefined ? `a ${entry.type}` : 'so long a path' });
      continue;
    }
    const options = { mtime: zipTime(entry), mode: type | entry.mode };
    if (entry.type === 'directory') zip.addEmptyDirectory(name, options);
    else if (entry.type === 'symlink') zip.addBuffer(entry.target ?? Buffer.alloc(0), name, options);
    else await addFile(zip, name, options, content());
  }
  zip.end();
}

function zipTime({ mtimeSeconds }: Entry): Date {
  return new Date(Math.min(LATEST, Math.max(0, Number(mtimeSeconds))) * 1000);
}

/** Resolves when the file's content has been read, so that no more than one waits. */
function addFile(
  zip: import('yazl').ZipFile,
  name: string,
  options: { mtime: Date; mode: number },
  content: AsyncIterable<Buffer>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = Readable.from(content, { objectMode: false });
    stream.once('end', () => resolve());
    stream.once('error', reject);
    zip.addReadStream(stream, name, options);
  });
}
