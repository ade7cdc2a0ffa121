import { Buffer } from 'node:buffer';
import { parseRange } from './byte-range.js';
import type { Exchange } from './exchange.js';
import type { Metrics } from './metrics.js';
import { bytesOfDirectories, bytesOnDisk, type Quota } from './quota.js';
import { Refusal } from './refusal.js';
import { RepositoryDirectory } from './repository-directory.js';
import type { Target } from './target.js';
import { receive } from './upload.js';

/** What requests work on. */
export interface Room {
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
/** Characters of a listing that are sent at a time. */
const LISTED = 32 * 1024;
/** Characters of a listing, some 40,000 objects, that are held before the answer begins. */
const LONG_LIST = 4 * 1024 * 1024;
/** Objects that are listed before others are served. */
const LISTED_AT_ONCE = 400;
/** Bytes of an object that are read at a time. */
const READ = 256 * 1024;

/** Does what a request that is allowed asks for. @throws Refusal, or what went wrong */
export async function act(room: Room, exchange: Exchange, target: Exclude<Target, { kind: 'metrics' }>): Promise<void> {
  const { method } = exchange;
  const directory = new RepositoryDirectory(room.root, target.repository);
  if (target.kind === 'repository') {
    if (method !== 'POST') throw notAllowed('POST');
    return create(room, exchange, directory, target.repository);
  }
  if (target.kind === 'list') {
    if (method !== 'GET') throw notAllowed('GET');
    return list(exchange, directory, target);
  }
  if (method === 'HEAD') return exchange.done({ 'Content-Length': await directory.size(target.type, target.name) });
  if (method === 'GET') return read(room, exchange, directory, target);
  if (method === 'POST') return write(room, exchange, directory, target);
  if (method === 'DELETE') return remove(room, exchange, directory, target);
  throw notAllowed('HEAD, GET, POST, DELETE');
}

export const notAllowed = (methods: string): Refusal => new Refusal(405, `only ${methods}`, { Allow: methods });

async function create(
  { quota }: Room,
  exchange: Exchange,
  directory: RepositoryDirectory,
  [owner = '']: readonly string[],
): Promise<void> {
  if (exchange.query.get('create') !== 'true') throw new Refusal(400, 'a repository is made with ?create=true');
  const bytes = bytesOfDirectories(await directory.missing());
  quota.take(owner, bytes, false);
  try {
    await directory.create();
  } catch (cause) {
    quota.add(owner, bytesOfDirectories(await directory.missing()) - bytes);
    throw cause;
  }
  exchange.done();
}

/** The answer to a list that is not very long begins when all of it is read: what cannot be read is then a status and not a broken answer. */
async function list(exchange: Exchange, directory: RepositoryDirectory, { type }: ListTarget): Promise<void> {
  const sizes = (exchange.header('accept') ?? '').includes(V2);
  await directory.requireDirectory(type);
  let begun = false;
  let text = '[';
  const flush = async (): Promise<void> => {
    if (!begun) exchange.head(200, { 'Content-Type': sizes ? V2 : V1 });
    begun = true;
    exchange.bytes += text.length;
    await exchange.sender.write(text);
    text = '';
  };
  let count = 0;
  for await (const { name, size } of directory.list(type)) {
    const item = sizes ? `{"name":"${name}","size":${size}}` : `"${name}"`;
    text += count === 0 ? item : `,${item}`;
    if (text.length >= (begun ? LISTED : LONG_LIST)) await flush();
    // Others are served meanwhile: listing takes system calls that this thread waits for.
    if (++count % LISTED_AT_ONCE === 0) await new Promise(setImmediate);
  }
  text += ']';
  await flush();
  await exchange.sender.end();
}

async function read(
  room: Room,
  exchange: Exchange,
  directory: RepositoryDirectory,
  target: ObjectTarget,
): Promise<void> {
  const { file, size } = await directory.open(target.type, target.name);
  try {
    // Without ETags no If-Range can be met: then it is the whole that is asked for.
    const range = exchange.header('if-range') === undefined ? parseRange(exchange.header('range'), size) : undefined;
    const { offset, length } = range ?? { offset: 0, length: size };
    const pieceAt = async (at: number): Promise<Buffer> => {
      const piece = Buffer.allocUnsafeSlow(Math.min(READ, offset + length - at));
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0 && piece.length > 0)
        throw new Error(`${target.type}/${target.name} became shorter while it was read`);
      return piece.subarray(0, bytesRead);
    };
    // Before the answer begins: what cannot be read is then a status and not a broken answer.
    let piece = await pieceAt(offset);
    exchange.head(range === undefined ? 200 : 206, {
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
    count(room, exchange, 'read', target, length);
  } finally {
    await file.close();
  }
}

async function write(
  room: Room,
  exchange: Exchange,
  directory: RepositoryDirectory,
  target: ObjectTarget,
): Promise<void> {
  const [owner = ''] = target.repository;
  const hashed = room.verifyUploads && target.type !== 'config' ? target.name : undefined;
  const isLock = target.type === 'locks';
  const file = await directory.begin(target.type, target.name);
  let taken = 0;
  const take = (bytes: number): void => {
    room.quota.take(owner, bytes, isLock);
    taken += bytes;
  };
  try {
    room.quota.require(owner, bytesOnDisk(exchange.declaredLength ?? 0), isLock);
    exchange.sendContinue();
    await receive(exchange.request, file, hashed, exchange.pace, (bytes) => {
      exchange.bytes += bytes;
      take(bytesOnDisk(exchange.bytes) - taken);
    });
    await file.finish();
  } catch (cause) {
    await file.abandon();
    room.quota.add(owner, -taken);
    throw cause;
  }
  exchange.done();
  count(room, exchange, 'write', target, exchange.bytes);
}

async function remove(
  room: Room,
  exchange: Exchange,
  directory: RepositoryDirectory,
  target: ObjectTarget,
): Promise<void> {
  const bytes = await directory.remove(target.type, target.name);
  if (bytes !== undefined) {
    room.quota.add(target.repository[0] ?? '', -bytesOnDisk(bytes));
    count(room, exchange, 'delete', target, bytes);
  }
  exchange.done();
}

/** As rest-server: of blobs, and so not of the config. */
function count(
  { metrics }: Room,
  { user = '' }: Exchange,
  operation: 'read' | 'write' | 'delete',
  { type, repository }: ObjectTarget,
  bytes: number,
): void {
  if (type !== 'config') metrics.object(operation, { user, repo: repository.join('/'), type }, bytes);
}
