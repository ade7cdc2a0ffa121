import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { PassThrough, Readable, Writable } from 'node:stream';
import { test } from 'node:test';
import { VarveError } from '../../../src/errors/errors.js';
import { receiveBody, sendBody } from '../../../src/storage/rest/body.js';
import type { RestHead } from '../../../src/storage/rest/transport.js';
import { isVarveError } from '../../errors/expect-error.js';

const of = (status: number, length?: number): RestHead => ({
  status,
  headers: length === undefined ? {} : { 'content-length': String(length) },
});
const GET = { method: 'GET', path: 'data/x' } as const;
const body = (...parts: string[]): Readable => Readable.from(parts.map((part) => Buffer.from(part)));

test('receiveBody returns a body of the stated length', async () => {
  assert.equal((await receiveBody(body('abc', 'def'), of(200, 6), GET)).toString(), 'abcdef');
  assert.equal((await receiveBody(body('abc', 'def'), of(200), GET)).toString(), 'abcdef');
});

test('receiveBody fails as retryable when a body ends early', async () => {
  await assert.rejects(receiveBody(body('abc'), of(200, 4), GET), (error) => {
    isVarveError('storage', /cut after 3 of 4 bytes/)(error);
    return (error as VarveError).retryable;
  });
  const closed = new PassThrough();
  setImmediate(() => closed.destroy());
  await assert.rejects(receiveBody(closed, of(200), GET), isVarveError('storage', /cut before its end/));
});

test('receiveBody stops at the stated length', async () => {
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(10);
    })(),
  );
  await assert.rejects(receiveBody(endless, of(200, 25), GET), isVarveError('storage', /more than it stated/));
  assert.ok(endless.destroyed);
});

test('receiveBody reads only the beginning of a failure', async () => {
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(1000, 'x');
    })(),
  );
  assert.equal((await receiveBody(endless, of(500, 10_000_000), GET)).length, 17_000);
  assert.ok(endless.destroyed);
});

test('receiveBody uses the caller’s buffer when it is large enough', async () => {
  const room = Buffer.alloc(10);
  const put = await receiveBody(body('abc'), of(200, 3), { ...GET, into: room });
  assert.equal(put.buffer, room.buffer);
  assert.equal(room.toString('latin1', 0, 4), 'abc\0');
  const own = await receiveBody(body('abcdefghijk'), of(200, 11), { ...GET, into: room });
  assert.notEqual(own.buffer, room.buffer);
  assert.equal(own.length, 11);
});

test('the check of an answer runs before its body is read', async () => {
  const stream = body('abc');
  const check = (): void => {
    throw new VarveError('damaged', 'no');
  };
  await assert.rejects(receiveBody(stream, of(200, 3), { ...GET, check }), isVarveError('damaged'));
  assert.ok(stream.destroyed);
});

test('sendBody writes parts without copies and respects backpressure', async () => {
  const got: Buffer[] = [];
  let waiting = 0;
  const slow = new Writable({
    highWaterMark: 1000,
    write(bytes: Buffer, _, done) {
      got.push(Buffer.from(bytes));
      waiting = Math.max(waiting, slow.writableLength);
      setImmediate(done);
    },
  });
  const parts = [Buffer.alloc(600_000, 'a'), Buffer.alloc(0), Buffer.alloc(5, 'b')];
  await sendBody(slow, parts);
  await new Promise((resolve) => slow.once('finish', resolve));
  assert.ok(Buffer.concat(got).equals(Buffer.concat(parts)));
  assert.ok(waiting < 600_000);
  const gone = new Writable({ write: () => void setImmediate(() => gone.destroy()) });
  await sendBody(gone, parts);
});
