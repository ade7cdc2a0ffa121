// Sends and receives bodies of requests.
// http-transport.ts and rclone.ts make the requests.
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { VarveError } from '../../errors/errors.js';
import { header, isSuccess, type RestHead, type RestRequest } from './transport.js';

/** Bytes to send at a time: encryption keeps a second copy of them. */
const PIECE = 256 * 1024;
/** Bytes to read of a failed answer, for its message. */
const TEXT = 16 * 1024;

export const lengthOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, part) => sum + part.length, 0);

/** Writes parts without a copy, waits while the stream is full, and ends the stream. Stops when the stream is destroyed. */
export async function sendBody(stream: Writable, parts: readonly Uint8Array[]): Promise<void> {
  for (const part of parts) {
    for (let at = 0; at < part.length; at += PIECE) {
      if (stream.destroyed) return;
      if (!stream.write(part.subarray(at, at + PIECE))) await drained(stream);
    }
  }
  stream.end();
}

async function drained(stream: Writable): Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  await Promise.race([once(stream, 'drain', { signal }), once(stream, 'close', { signal })]).catch(() => undefined);
  stop.abort();
}

/**
 * Reads an answer's body into a buffer of the stated length, after the request has checked the head of the answer.
 *
 * @throws VarveError when it ends early
 */
export async function receiveBody(stream: Readable, head: RestHead, request: RestRequest): Promise<Buffer> {
  const { method, into: given } = request;
  const stated = header(head, 'content-length');
  try {
    request.check?.(head);
  } catch (error) {
    stream.destroy();
    throw error;
  }
  if (method === 'HEAD') return await gathered(stream);
  if (!isSuccess(head)) return await gathered(stream, TEXT);
  if (stated === undefined) return await gathered(stream);
  return await filled(stream, memory(Number(stated), given));
}

function memory(length: number, given: Buffer | undefined): Buffer {
  if (given !== undefined && given.length >= length) return given.subarray(0, length);
  try {
    return Buffer.allocUnsafeSlow(length);
  } catch (cause) {
    throw new VarveError('storage', `the server states a length of ${length} bytes`, { cause });
  }
}

function filled(stream: Readable, target: Buffer): Promise<Buffer> {
  let at = 0;
  return consumed(
    stream,
    (bytes) => {
      if (at + bytes.length > target.length) throw new VarveError('storage', 'the server sends more than it stated');
      bytes.copy(target, at);
      at += bytes.length;
      return true;
    },
    () => {
      if (at < target.length) throw cut(`after ${at} of ${target.length} bytes`);
      return target;
    },
  );
}

function gathered(stream: Readable, most = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  return consumed(
    stream,
    (bytes) => {
      if (length < most) chunks.push(bytes);
      length += bytes.length;
      return length < most;
    },
    () => Buffer.concat(chunks),
  );
}

/** @param take returns false when it needs no more bytes */
function consumed(stream: Readable, take: (bytes: Buffer) => boolean, finish: () => Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      try {
        resolve(finish());
      } catch (error) {
        reject(error);
      }
    };
    const fail = (error: unknown): void => {
      reject(error);
      stream.destroy();
    };
    stream.on('data', (bytes: Buffer) => {
      try {
        if (take(bytes)) return;
        end();
        stream.destroy();
      } catch (error) {
        fail(error);
      }
    });
    stream.once('end', end);
    stream.once('error', fail);
    stream.once('close', () => reject(cut('before its end')));
  });
}

const cut = (when: string): VarveError => new VarveError('storage', `the answer was cut ${when}`, { retryable: true });
