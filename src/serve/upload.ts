import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { NewFile } from '../storage/local/durable.js';
import type { Pace } from './pace.js';
import { Refusal } from './refusal.js';

/** Bytes gathered before they are written: a body comes in pieces of some KiB. */
const GATHERED = 256 * 1024;

/**
 * Writes a request's body to a file that is not finished yet.
 *
 * @param name the SHA-256 that the body must have; undefined when it may be anything
 * @param take told of bytes before they are written; throws when they are too many
 * @returns how many bytes it has
 * @throws Refusal 400 when it is not what its name says, 408 when it comes too slowly; an error when it breaks off
 */
export async function receive(
  request: IncomingMessage,
  file: NewFile,
  name: string | undefined,
  pace: Pace,
  take: (bytes: number) => void,
): Promise<number> {
  const hash = name === undefined ? undefined : createHash('sha256');
  let size = 0;
  let gathered: Buffer[] = [];
  let waiting = 0;
  const flush = async (): Promise<void> => {
    await file.write(Buffer.concat(gathered));
    gathered = [];
    waiting = 0;
  };
  for await (const piece of pieces(request, pace)) {
    take(piece.length);
    hash?.update(piece);
    size += piece.length;
    gathered.push(piece);
    waiting += piece.length;
    if (waiting >= GATHERED) await flush();
  }
  if (hash !== undefined && hash.digest('hex') !== name)
    throw new Refusal(400, 'the content is not what the name says: its SHA-256 differs');
  await flush();
  return size;
}

async function* pieces(request: IncomingMessage, pace: Pace): AsyncIterable<Buffer> {
  // The connection is still needed for the answer when reading ends early.
  const iterator: AsyncIterator<Buffer> = request.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await pace.waitFor(iterator.next());
      if (done === true) return;
      pace.moved(value.length);
      yield value;
    }
  } finally {
    // Not waited for: it goes on waiting itself when the client is too slow.
    iterator.return?.().catch(() => undefined);
  }
}
