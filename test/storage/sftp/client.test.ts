import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { VarveError } from '../../../src/errors/errors.js';
import { Abandoned } from '../../../src/storage/sftp/abandoned.js';
import { download } from '../../../src/storage/sftp/download.js';
import { encodePacket, OPEN, STATUS, TYPE } from '../../../src/storage/sftp/protocol.js';
import { hasStatus } from '../../../src/storage/sftp/status.js';
import { upload } from '../../../src/storage/sftp/upload.js';
import { isVarveError } from '../../errors/expect-error.js';
import { type Asked, data, FakeServer, handle, status, version } from './fake-server.js';

const HANDLE = Buffer.from('handle');

test('replies match their requests in any order', async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const opens = ['a', 'b', 'c'].map((path) => client.open(path, OPEN.read));
  await server.until(3);
  for (const { id, fields } of server.asked.reverse()) server.stream.write(handle(id, `of ${fields.string()}`));
  assert.deepEqual((await Promise.all(opens)).map(String), ['of a', 'of b', 'of c']);
});

test('unexpected replies are refused', async () => {
  const cases: [string, (asked: Asked) => Buffer, RegExp][] = [
    ['an id that was not asked with', ({ id }) => status(id + 1, 0), /without a request/],
    ['contents for a stat', ({ id }) => data(id, Buffer.from('x')), /unrequested file contents/],
    ['a packet of another type', ({ id }) => encodePacket(77, [id]), /type 77/],
    ['an answer that ends early', () => encodePacket(TYPE.attributes, []), /ends early/],
    ['an answer of another type', ({ id }) => handle(id), /an answer of another type/],
    ['success without an answer', ({ id }) => status(id, STATUS.ok), /an answer of another type/],
  ];
  for (const [what, answer, wanted] of cases) {
    const server = new FakeServer();
    server.answer = answer;
    const client = await server.connect();
    await assert.rejects(client.stat('file'), isVarveError('storage', wanted), what);
  }
});

test('a reply longer than the request is refused and never overflows the buffer', async () => {
  const server = new FakeServer();
  server.answer = ({ id }) => data(id, Buffer.alloc(11, 1));
  const client = await server.connect();
  const memory = Buffer.alloc(20);
  await assert.rejects(client.read(HANDLE, 0, memory.subarray(0, 10)), isVarveError('storage', /more of a file/));
  assert.deepEqual(memory, Buffer.alloc(20));
});

test('the error shows the text when a session does not begin as SFTP', async () => {
  const text = new FakeServer({ hello: Buffer.from('Welcome to the machine\n') });
  await assert.rejects(text.connect(), isVarveError('storage', /a packet of \d+ bytes/));
  const old = new FakeServer({ hello: version(2) });
  await assert.rejects(old.connect(), isVarveError('storage', /version 2, instead of 3/));
  const other = new FakeServer({ hello: status(0, 0) });
  await assert.rejects(other.connect(), isVarveError('storage', /begins with a packet of type 101/));
});

test('the end of the connection fails running and later requests', async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const stats = ['a', 'b'].map((path) => client.stat(path));
  await server.until(2);
  server.stream.end();
  for (const each of stats) await assert.rejects(each, isVarveError('storage', /ended after/));
  await client.ended;
  await assert.rejects(client.stat('c'), isVarveError('storage', /ended after/));
});

test('the idle timeout ends a silent connection but not a slow one', async () => {
  const server = new FakeServer();
  const client = await server.connect({ idleTimeoutSeconds: 0.4 });
  let answered = 0;
  server.answer = ({ id }) => {
    setTimeout(() => {
      answered++;
      server.stream.write(status(id, STATUS.noSuchFile));
    }, 250);
    return undefined;
  };
  for (let i = 0; i < 4; i++) await assert.rejects(client.stat('file'), (cause) => hasStatus(cause, STATUS.noSuchFile));
  assert.equal(answered, 4);
  // A connection without requests has no idle timeout.
  await new Promise((resolve) => setTimeout(resolve, 600));
  await assert.rejects(client.stat('file'), (cause) => hasStatus(cause, STATUS.noSuchFile));
  server.answer = () => undefined;
  const retryable = (error: unknown): boolean => error instanceof VarveError && error.retryable;
  const stuck = client.stat('file');
  await assert.rejects(stuck, isVarveError('storage', /no answer .* for 0.4 s/));
  assert.ok(await stuck.catch(retryable));
  await client.ended;
});

test('an interruption ends running requests, closes late handles, and allows later requests', async () => {
  const server = new FakeServer();
  const abort = new AbortController();
  const client = await server.connect({ signal: abort.signal });
  const memory = Buffer.alloc(4);
  const opening = client.open('file', OPEN.read);
  const reading = client.read(HANDLE, 0, memory);
  await server.until(2);
  abort.abort();
  for (const each of [opening, reading]) await assert.rejects(each, isVarveError('interrupted'));
  const [open, read] = server.asked as [Asked, Asked];
  server.stream.write(handle(open.id, 'late'));
  server.stream.write(data(read.id, Buffer.from('late')));
  await server.until(3);
  assert.equal(server.asked[2]?.type, TYPE.close);
  assert.equal(String(server.asked[2]?.fields.string()), 'late');
  assert.deepEqual(memory, Buffer.alloc(4));
  server.answer = ({ id }) => status(id, STATUS.ok);
  await client.remove('locks/lease');
});

test('download joins small pieces, and reports an early end as damaged', async () => {
  const contents = Buffer.from('what a server gives in small pieces');
  const server = new FakeServer();
  server.answer = ({ type, id, fields }) => {
    if (type === TYPE.open) return handle(id);
    if (type === TYPE.fstat) return encodePacket(TYPE.attributes, [id, { size: contents.length }]);
    if (type !== TYPE.read) return status(id, STATUS.ok);
    fields.string();
    const offset = Number(fields.u64());
    const piece = contents.subarray(offset, offset + Math.min(fields.u32(), 4));
    return piece.length === 0 ? status(id, STATUS.endOfFile) : data(id, piece);
  };
  const client = await server.connect();
  const range = { offset: 5, length: 20 };
  assert.deepEqual(await download(client, 'file', 'data/x', range, undefined), contents.subarray(5, 25));
  await assert.rejects(
    download(client, 'file', 'data/x', { offset: 5, length: 31 }, undefined),
    isVarveError('damaged', /data\/x: truncated \(35 bytes\)/),
  );
});

test('download allocates no memory for an absurd file size', async () => {
  const server = new FakeServer();
  server.answer = ({ type, id }) =>
    type === TYPE.stat
      ? encodePacket(TYPE.attributes, [id, { size: Number.MAX_SAFE_INTEGER }])
      : type === TYPE.open
        ? handle(id)
        : status(id, STATUS.ok);
  const client = await server.connect();
  await assert.rejects(
    download(client, 'file', 'keys/x', undefined, undefined),
    isVarveError('damaged', /too large for an object/),
  );
});

test('senseless limits are ignored', async () => {
  const limits = (id: number, read: bigint, write: bigint): Buffer =>
    encodePacket(TYPE.extendedReply, [id, 2n ** 64n - 1n, read, write, 0n]);
  for (const [offered, used] of [
    [0n, 32_768],
    [2n ** 64n - 1n, 262_144],
    [100_000n, 100_000],
  ] as const) {
    const server = new FakeServer({ hello: version(3, 'limits@openssh.com', '1') });
    server.answer = ({ id }) => limits(id, offered, offered);
    const client = await server.connect();
    await server.until(1);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([client.readLength, client.writeLength], [used, used]);
  }
});

test('a refused write ends the upload and removes the file', async () => {
  const server = new FakeServer();
  const open = new Set<number>();
  server.answer = ({ type, id }) => {
    if (type === TYPE.open) {
      open.add(id);
      return handle(id);
    }
    if (type === TYPE.close) open.clear();
    return status(id, type === TYPE.write ? STATUS.failure : STATUS.ok, 'Failure');
  };
  const client = await server.connect();
  const told: unknown[] = [];
  const refused = async (cause: unknown): Promise<unknown> => {
    told.push(cause);
    assert.ok(server.asked.every(({ type }) => type !== TYPE.remove));
    return new VarveError('full', 'as it is');
  };
  const giveName = async (): Promise<never> => assert.fail('it has no contents');
  const parts = [Buffer.alloc(20_000_000)];
  await assert.rejects(
    upload(client, 'folder/name', parts, { giveName, refused, abandoned: new Abandoned() }),
    isVarveError('full', /as it is/),
  );
  assert.equal(told.length, 1);
  assert.equal(open.size, 0);
  assert.equal(server.asked.at(-1)?.type, TYPE.remove);
  assert.ok(server.asked.length < 20_000_000 / 32_768);
});
