import { Buffer } from 'node:buffer';
import { VarveError } from '../../errors/errors.js';
import type { Range } from '../store.js';
import type { SftpClient } from './client.js';
import { OPEN } from './protocol.js';
import type { Step } from './window.js';

/** The largest object in bytes, more than any pack. varve allocates no memory for a larger claim. */
const MAX_OBJECT = 2 ** 31;

/**
 * Reads a file or a range of it.
 *
 * @param name the name in errors
 * @throws VarveError `damaged` when it ends before the range does
 */
export async function download(
  client: SftpClient,
  path: string,
  name: string,
  range: Range | undefined,
  into: Buffer | undefined,
): Promise<Buffer> {
  const sized = range !== undefined && range.length > 0 ? undefined : sizeOf(client, path, name);
  sized?.catch(() => undefined);
  const handle = await client.open(path, OPEN.read);
  try {
    const size = await sized;
    const { offset, length } = range ?? { offset: 0, length: size ?? 0 };
    if (size !== undefined && offset + length > size) throw truncated(name, size);
    if (length > MAX_OBJECT) throw new VarveError('damaged', `${name}: ${length} bytes are too large for an object`);
    const target = into !== undefined && into.length >= length ? into.subarray(0, length) : memory(length);
    await client.window.run(reading(client, handle, name, offset, target));
    return target;
  } finally {
    client.close(handle).catch(() => undefined);
  }
}

async function sizeOf(client: SftpClient, path: string, name: string): Promise<number> {
  const { size } = await client.stat(path);
  if (size === undefined) throw new VarveError('storage', `${name}: the server does not report its size`);
  return size;
}

function* reading(client: SftpClient, handle: Buffer, name: string, offset: number, target: Buffer): Generator<Step> {
  for (let at = 0; at < target.length; ) {
    const start = at;
    const part = target.subarray(start, start + client.readLength);
    yield { cost: part.length, run: () => readFully(client, handle, name, offset + start, part) };
    at += part.length;
  }
}

/** Repeats, because a server may return less than requested. */
async function readFully(
  client: SftpClient,
  handle: Buffer,
  name: string,
  offset: number,
  target: Buffer,
): Promise<void> {
  for (let filled = 0; filled < target.length; ) {
    const read = await client.read(handle, offset + filled, target.subarray(filled));
    if (read === 0) throw truncated(name, (await client.fstat(handle)).size);
    filled += read;
  }
}

const memory = (length: number): Buffer => Buffer.from(new ArrayBuffer(length));

function truncated(name: string, size: number | undefined): VarveError {
  const had = size === undefined ? '' : ` (${size} bytes)`;
  return new VarveError('damaged', `${name}: truncated${had}; run \`varve check\``);
}
