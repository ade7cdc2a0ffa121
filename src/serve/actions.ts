// Carries out a request that is allowed: reads, writes, lists and deletes objects.
// Leaves files to repository-directory.ts, and logins and rules to handler.ts.

import { Buffer } from 'node:buffer';
import { parseRange } from './byte-range.js';
import type { Exchange } from './exchange.js';
import { HttpError } from './http-error.js';
import type { Metrics } from './metrics.js';
import { bytesOfDirectories, bytesOnDisk, type Quota } from './quota.js';
import { RepositoryDirectory } from './repository-directory.js';
import type { Target } from './target.js';
import { receive } from './upload.js';

/** What all requests share. */
export interface ServerState {
  /** The directory that is served. */
  readonly root: string;
  readonly quota: Quota;
  readonly metrics: Metrics;
  readonly verifyUploads: boolean;
}

type ListTarget = Extract<Target, { kind: 'list' }>;
type ObjectTarget = Extract<Target, { kind: 'object' }>;

const V1 = 'application/vnd.x.restic.rest.v1';
const V2 = 'application/vnd.x.restic.rest.v2';
/** A listing is sent in pieces of this many characters. */
const LIST_PIECE = 32 * 1024;
/** Characters of a listing that are held before the response begins: some 40,000 objects. */
const MAX_HELD_LIST = 4 * 1024 * 1024;
/** Objects to list before other requests get a turn. */
const LIST_TURN = 400;
/** Bytes of an object that are read at a time. */
const READ = 256 * 1024;

/** Carries out a request that is allowed. @throws HttpError, or the error of the file system */
export async function perform(
  state: ServerState,
  exchange: Exchange,
  target: Exclude<Target, { kind: 'metrics' }>,
): Promise<void> {
  const { method } = exchange;
  const directory = new RepositoryDirectory(state.root, target.repository);
  if (target.kind === 'repository') {
    if (method !== 'POST') throw notAllowed('POST');
    return create(state, exchange, directory, target.repository);
  }
  if (target.kind === 'list') {
    if (method !== 'GET') throw notAllowed('GET');
    return list(exchange, directory, target);
  }
  if (method === 'HEAD')
    return exchange.sendEmpty({ 'Content-Length': await directory.size(target.type, target.name) });
  if (method === 'GET') return read(state, exchange, directory, target);
  if (method === 'POST') return write(state, exchange, directory, target);
  if (method === 'DELETE') return remove(state, exchange, directory, target);
  throw notAllowed('HEAD, GET, POST, DELETE');
}

export const notAllowed = (methods: string): HttpError => new HttpError(405, `only ${methods}`, { Allow: methods });

async function create(
  { quota }: ServerState,
  exchange: Exchange,
  directory: RepositoryDirectory,
  [owner = '']: readonly string[],
): Promise<void> {
  if (exchange.query.get('create') !== 'true') throw new HttpError(400, 'use ?create=true to create a repository');
  const bytes = bytesOfDirectories(await directory.countMissing());
  quota.charge(owner, bytes, false);
  try {
    await directory.create();
  } catch (cause) {
    quota.add(owner, bytesOfDirectories(await directory.countMissing()) - bytes);
    throw cause;
  }
  exchange.sendEmpty();
}

/** Holds the response back until the whole list is read, unless it is very long: a read error is then a status and not a truncated body. */
async function list(exchange: Exchange, directory: RepositoryDirectory, { type }: ListTarget): Promise<void> {
  const sizes = (exchange.header('accept') ?? '').includes(V2);
  await directory.requireDirectory(type);
  let begun = false;
  let text = '[';
  const flush = async (): Promise<void> => {
    if (!begun) exchange.writeHead(200, { 'Content-Type': sizes ? V2 : V1 });
    begun = true;
    exchange.bytes += text.length;
    await exchange.sender.write(text);
    text = '';
  };
  let count = 0;
  for await (const { name, size } of directory.list(type)) {
    const item = sizes ? `{"name":"${name}","size":${size}}` : `"${name}"`;
    text += count === 0 ? item : `,${item}`;
    if (text.length >= (begun ? LIST_PIECE : MAX_HELD_LIST)) await flush();
    // Listing blocks this thread in system calls: let other requests run.
    if (++count % LIST_TURN === 0) await new Promise(setImmediate);
  }
  text += ']';
  await flush();
  await exchange.sender.end();
}

async function read(
  state: ServerState,
  exchange: Exchange,
  directory: RepositoryDirectory,
  target: ObjectTarget,
): Promise<void> {
  const { file, size } = await directory.open(target.type, target.name);
  try {
    // The server sends no ETags, so If-Range never matches: send the whole object.
    const range = exchange.header('if-range') === undefined ? parseRange(exchange.header('range'), size) : undefined;
    const { offset, length } = range ?? { offset: 0, length: size };
    const pieceAt = async (at: number): Promise<Buffer> => {
      const piece = Buffer.allocUnsafeSlow(Math.min(READ, offset + length - at));
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0 && piece.length > 0)
        throw new Error(`${target.type}/${target.name} was truncated while the server read it`);
      return piece.subarray(0, bytesRead);
    };
    // Read before the response begins: a read error is then a status and not a truncated body.
    let piece = await pieceAt(offset);
    exchange.writeHead(range === undefined ? 200 : 206, {
      'Content-Type': 'application/octet-stream',
      'Content-Length': length,
      'Accept-Ranges': 'bytes',
      ...(range !== undefined && { 'Content-Range': `bytes ${offset}-${offset + length - 1}/${size}` }),
    });
    for (let at = offset; at < offset + length; piece = await pieceAt(at)) {
      await exchange.sender.write(piece);
      at += piece.length;
      exchange.bytes += piece.length;
    }
    await exchange.sender.end();
    count(state, exchange, 'read', target, length);
  } finally {
    await file.close();
  }
}

async function write(
  state: ServerState,
  exchange: Exchange,
  directory: RepositoryDirectory,
  target: ObjectTarget,
): Promise<void> {
  const [owner = ''] = target.repository;
  const hashed = state.verifyUploads && target.type !== 'config' ? target.name : undefined;
  const isLock = target.type === 'locks';
  const file = await directory.begin(target.type, target.name);
  let charged = 0;
  const charge = (bytes: number): void => {
    state.quota.charge(owner, bytes, isLock);
    charged += bytes;
  };
  try {
    state.quota.requireSpace(owner, bytesOnDisk(exchange.declaredLength ?? 0), isLock);
    exchange.sendContinue();
    await receive(exchange.request, file, hashed, exchange.clientGuard, (bytes) => {
      exchange.bytes += bytes;
      charge(bytesOnDisk(exchange.bytes) - charged);
    });
    await file.finish();
  } catch (cause) {
    await file.abandon();
    state.quota.add(owner, -charged);
    throw cause;
  }
  exchange.sendEmpty();
  count(state, exchange, 'write', target, exchange.bytes);
}

async function remove(
  state: ServerState,
  exchange: Exchange,
  directory: RepositoryDirectory,
  target: ObjectTarget,
): Promise<void> {
  const bytes = await directory.remove(target.type, target.name);
  if (bytes !== undefined) {
    state.quota.add(target.repository[0] ?? '', -bytesOnDisk(bytes));
    count(state, exchange, 'delete', target, bytes);
  }
  exchange.sendEmpty();
}

/** As in rest-server, the counts are of blobs: the config is not counted. */
function count(
  { metrics }: ServerState,
  { user = '' }: Exchange,
  operation: 'read' | 'write' | 'delete',
  { type, repository }: ObjectTarget,
  bytes: number,
): void {
  if (type !== 'config') metrics.object(operation, { user, repo: repository.join('/'), type }, bytes);
}
