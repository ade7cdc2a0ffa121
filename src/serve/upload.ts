import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { NewFile } from '../storage/local/durable.js';
import { HttpError } from './http-error.js';
import type { SlowClientGuard } from './slow-client-guard.js';

/** Bytes to collect before a write: bodies arrive in pieces of some KiB. */
const WRITE_SIZE = 256 * 1024;

/**
 * Writes the body of a request to a new file.
 *
 * @param name the SHA-256 that the body must have; undefined to accept any body
 * @param charge called with the bytes before they are written; throws when they exceed a limit
 * @returns the length of the body
 * @throws HttpError 400 when the SHA-256 differs, 408 when the client is too slow; another error when the connection breaks
 */
export async function receive(
  request: IncomingMessage,
  file: NewFile,
  name: string | undefined,
  clientGuard: SlowClientGuard,
  charge: (bytes: number) => void,
): Promise<number> {
  const hash = name === undefined ? undefined : createHash('sha256');
  let size = 0;
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  const flush = async (): Promise<void> => {
    await file.write(Buffer.concat(pending));
    pending = [];
    pendingBytes = 0;
  };
  for await (const piece of pieces(request, clientGuard)) {
    charge(piece.length);
    hash?.update(piece);
    size += piece.length;
    pending.push(piece);
    pendingBytes += piece.length;
    if (pendingBytes >= WRITE_SIZE) await flush();
  }
  if (hash !== undefined && hash.digest('hex') !== name)
    throw new HttpError(400, 'the SHA-256 of the content differs from the name');
  await flush();
  return size;
}

async function* pieces(request: IncomingMessage, clientGuard: SlowClientGuard): AsyncIterable<Buffer> {
  // Keep the connection open when reading ends early: the response still needs it.
  const iterator: AsyncIterator<Buffer> = request.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await clientGuard.waitFor(iterator.next());
      if (done === true) return;
      clientGuard.progressed(value.length);
      yield value;
    }
  } finally {
    // Not awaited: it would wait for a slow client.
    iterator.return?.().catch(() => undefined);
  }
}
