import { Buffer } from 'node:buffer';
import { Readable } from 'node:stream';
import type { Entry } from '../format/entry.js';
import type { DumpedEntry, LeftOut } from './dump.js';

/** POSIX file types in zip's external attributes. */
const TYPE_BITS: Partial<Record<Entry['type'], number>> = { file: 0o100000, directory: 0o040000, symlink: 0o120000 };
/** The longest name in bytes. A directory's name gets a slash in addition. */
const MAX_NAME = 0xffff;
/** The end of 2107, zip's last year. yazl accepts no times before 1970. */
const LATEST = 4_354_819_199;
const SLASHES = /^\/+/;

/**
 * Writes a zip archive of files, directories and symbolic links. Names in it are text: bytes that are not UTF-8 are lost. A
 * backslash becomes an underscore, because some programs treat it as a slash.
 *
 * @param onLeftOut called with entries that zip cannot store. Owners and attributes are never stored
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

/** Resolves when the file's content has been read, so that only one file is open at a time. */
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
