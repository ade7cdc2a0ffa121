import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import {
  type Attributes,
  absentReply,
  attributesReply,
  encodeDevice,
  entryReply,
  initReply,
  Listing,
  openReply,
  seekReply,
  statfsReply,
  statxReply,
  writeHeader,
  xattrSizeReply,
} from '../../src/mount/protocol/replies.js';
import {
  readForget,
  readForgets,
  readInit,
  readInterrupt,
  readName,
  readRead,
  readRequest,
  readSeek,
  readXattrName,
  readXattrSize,
} from '../../src/mount/protocol/requests.js';

/** Encodes words of the given widths, little-endian as the kernel's structs on the machines that varve mounts on. */
function bytes(...fields: readonly (readonly [bits: 16 | 32 | 64, value: number | bigint])[]): Buffer {
  return Buffer.concat(
    fields.map(([bits, value]) => {
      const out = Buffer.alloc(8);
      out.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
      return out.subarray(0, bits / 8);
    }),
  );
}

/** struct fuse_in_header */
const header = (length: number, opcode: number, node: number): Buffer =>
  bytes([32, length], [32, opcode], [64, 7n], [64, node], [32, 1000], [32, 1001], [32, 4711], [16, 0], [16, 0]);

const request = (opcode: number, body: Buffer): Buffer => Buffer.concat([header(40 + body.length, opcode, 5), body]);

const ATTRIBUTES: Attributes = {
  inodeLow: 0x1122,
  inodeHigh: 0x3344,
  size: 2 ** 40 + 3,
  blocks: 17,
  atime: [-2, 1],
  mtime: [5, 2],
  ctime: [2 ** 33, 3],
  btime: [9, 4],
  mode: 0o100644,
  links: 2,
  uid: 1000,
  gid: 100,
  device: undefined,
};
/** Its struct fuse_attr. */
const ATTRIBUTE_BYTES = bytes(
  [64, 0x3344_0000_1122n],
  [64, 2n ** 40n + 3n],
  [64, 17],
  [64, -2],
  [64, 5],
  [64, 2n ** 33n],
  [32, 1],
  [32, 2],
  [32, 3],
  [32, 0o100644],
  [32, 2],
  [32, 1000],
  [32, 100],
  [32, 0],
  [32, 4096],
  [32, 0],
);
const entry = (node: number, seconds: number): Buffer =>
  Buffer.concat([bytes([64, node], [64, 0], [64, seconds], [64, seconds], [32, 0], [32, 0]), ATTRIBUTE_BYTES]);

describe('decoding of requests', () => {
  it('reads the header', () => {
    assert.deepEqual(readRequest(header(40, 15, 5)), { length: 40, opcode: 15, unique: 7n, node: 5, uid: 1000 });
  });

  it('reads bodies as the structs of the kernel are', () => {
    const init = request(26, bytes([32, 7], [32, 45], [32, 131072], [32, 0xffff_fffb]));
    assert.deepEqual(readInit(init), { major: 7, minor: 45, maxReadahead: 131072, flags: 0xffff_fffb });
    const read = request(15, bytes([64, 3], [64, 2n ** 40n], [32, 4096], [32, 0], [64, 0], [32, 0], [32, 0]));
    assert.deepEqual(readRead(read), { offset: 2 ** 40, size: 4096 });
    const seek = request(46, bytes([64, 0], [64, 10], [32, 4], [32, 0]));
    assert.deepEqual(readSeek(seek), { offset: 10, whence: 4 });
    assert.equal(readForget(request(2, bytes([64, 12]))), 12);
    assert.equal(readInterrupt(request(36, bytes([64, 99n]))), 99n);
  });

  it('ends a name at a NUL or at the end of the request', () => {
    const name = Buffer.from('caf\xe9\0', 'latin1');
    const lookup = request(1, name);
    assert.deepEqual(readName(lookup, lookup.length), Buffer.from('caf\xe9', 'latin1'));
    assert.deepEqual(readName(lookup, lookup.length - 1), Buffer.from('caf\xe9', 'latin1'));
    const xattr = request(22, Buffer.concat([bytes([32, 64], [32, 0]), Buffer.from('user.x\0')]));
    assert.equal(readXattrSize(xattr), 64);
    assert.equal(readXattrName(xattr, xattr.length).toString(), 'user.x');
  });

  it('reads as many forgets as fit when the request claims more', () => {
    const forgets = request(42, bytes([32, 2], [32, 0], [64, 5], [64, 1], [64, 6], [64, 2]));
    const both = [
      { node: 5, lookups: 1 },
      { node: 6, lookups: 2 },
    ];
    assert.deepEqual([...readForgets(forgets, forgets.length)], both);
    forgets.writeUInt32LE(1000, 40);
    assert.deepEqual([...readForgets(forgets, forgets.length)], both);
  });
});

describe('encoding of replies', () => {
  it('writes a header with the negative errno', () => {
    const out = Buffer.alloc(16);
    writeHeader(out, 16, 5, 7n);
    assert.deepEqual(out, bytes([32, 16], [32, -5], [64, 7]));
  });

  it("writes bodies by the kernel's structs", () => {
    assert.deepEqual(entryReply(8, 60, ATTRIBUTES), entry(8, 60));
    assert.deepEqual(
      attributesReply(60, ATTRIBUTES),
      Buffer.concat([bytes([64, 60], [32, 0], [32, 0]), ATTRIBUTE_BYTES]),
    );
    assert.deepEqual(absentReply(60).subarray(0, 32), bytes([64, 0], [64, 0], [64, 60], [64, 0]));
    assert.deepEqual(openReply(3, 10), bytes([64, 3], [32, 10], [32, 0]));
    assert.deepEqual(xattrSizeReply(11), bytes([32, 11], [32, 0]));
    assert.deepEqual(seekReply(2 ** 40), bytes([64, 2n ** 40n]));
    assert.equal(statfsReply(255).length, 80);
    const init = initReply({ minor: 39, flags: 0x8000_0001, maxReadahead: 131072, maxRead: 2 ** 20 });
    assert.equal(init.length, 64);
    const begin = bytes([32, 7], [32, 39], [32, 131072], [32, 0x8000_0001], [16, 64], [16, 48], [32, 4096], [32, 1]);
    assert.deepEqual(init.subarray(0, 28), begin);
    assert.deepEqual(init.subarray(28), Buffer.concat([bytes([16, 256]), Buffer.alloc(34)]));
  });

  it('writes the birth time when an entry has one', () => {
    const time = (seconds: number, nanoseconds: number): Buffer => bytes([64, seconds], [32, nanoseconds], [32, 0]);
    const expected = Buffer.concat([
      bytes([64, 60], [32, 0], [32, 0], [64, 0], [64, 0]),
      bytes([32, 0xfff], [32, 4096], [64, 0], [32, 2], [32, 1000], [32, 100], [16, 0o100644], [16, 0]),
      bytes([64, 0x3344_0000_1122n], [64, 2n ** 40n + 3n], [64, 17], [64, 0]),
      time(-2, 1),
      time(9, 4),
      time(2 ** 33, 3),
      time(5, 2),
      bytes([32, 0], [32, 0], [32, 0], [32, 0]),
      Buffer.alloc(112),
    ]);
    assert.deepEqual(statxReply(60, ATTRIBUTES), expected);
  });

  it('encodes device numbers as the kernel does', () => {
    assert.equal(encodeDevice([8, 1]), 0x801);
    assert.equal(encodeDevice([0xabc, 0x12345]), 0x123abc45);
  });

  it('pads names to eight bytes and stops when the buffer is full', () => {
    const name = Buffer.from('abc');
    const dirent = Buffer.concat([bytes([64, 0x3344_0000_1122n], [64, 9], [32, 3], [32, 8]), name, Buffer.alloc(5)]);
    const listed = { name, next: 9, node: 8, seconds: 60, attributes: ATTRIBUTES };
    const plain = new Listing(2 * dirent.length, false);
    const plus = new Listing(200, true);
    for (const listing of [plain, plus]) while (listing.fits(3)) listing.add(listed);
    assert.deepEqual(plain.bytes, Buffer.concat([dirent, dirent]));
    assert.deepEqual(plus.bytes, Buffer.concat([entry(8, 60), dirent]));
  });
});
