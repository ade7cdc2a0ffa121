import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { VarveError } from '../../../src/errors/errors.js';
import { MAX_PACKET, PacketStream } from '../../../src/storage/sftp/packet-stream.js';
import {
  type Attributes,
  decodeHello,
  decodeReply,
  encodePacket,
  type Field,
  FieldReader,
  printable,
  TYPE,
} from '../../../src/storage/sftp/protocol.js';
import { cut } from '../../../src/storage/sftp/upload.js';
import { isVarveError } from '../../errors/expect-error.js';

const u32 = fc.nat(0xffff_ffff);
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const attributes: fc.Arbitrary<Attributes> = fc.record(
  { size: fc.maxSafeNat(), mode: u32, modified: u32 },
  { requiredKeys: [], noNullPrototype: true },
);

function read(fields: FieldReader, like: Field): Field {
  if (typeof like === 'number') return fields.u32();
  if (typeof like === 'bigint') return fields.u64();
  return like instanceof Uint8Array ? Buffer.from(fields.string()) : fields.attributes();
}

test('fields survive encoding and decoding', () => {
  const field: fc.Arbitrary<Field> = fc.oneof(u32, u64, bytes, attributes);
  fc.assert(
    fc.property(fc.nat(255), fc.array(field), (type, fields) => {
      const packet = encodePacket(type, fields);
      assert.equal(packet.readUInt32BE(), packet.length - 4);
      assert.equal(packet[4], type);
      const reader = new FieldReader(packet.subarray(5));
      for (const each of fields) assert.deepEqual(read(reader, each), each);
      assert.equal(reader.remaining, 0);
    }),
  );
});

test('replies survive encoding and decoding', () => {
  const names = fc.array(fc.record({ name: bytes, attributes }, { noNullPrototype: true }));
  fc.assert(
    fc.property(u32, names, (id, files) => {
      const fields = files.flatMap(({ name, attributes }): Field[] => [name, 'drwx', attributes]);
      const { id: answered, reply } = decodeReply(
        TYPE.name,
        encodePacket(TYPE.name, [id, files.length, ...fields]).subarray(5),
      );
      assert.equal(answered, id);
      assert.deepEqual(reply, {
        kind: 'names',
        names: files.map(({ name, attributes }) => ({ name: name.toString('latin1'), attributes })),
      });
    }),
  );
});

test('unrequested attributes are skipped', () => {
  // Owner, and two of the server's own, between and after what is read.
  const body = encodePacket(TYPE.attributes, [7, 0x8000_000f, 5n, 1000, 1000, 0o100600, 11, 12, 2, 'a', 'b', 'c', 'd']);
  const { reply } = decodeReply(TYPE.attributes, body.subarray(5));
  assert.deepEqual(reply, { kind: 'attributes', attributes: { size: 5, mode: 0o100600, modified: 12 } });
});

test('any input is decoded or refused', () => {
  const types = fc.oneof(fc.constantFrom(...Object.values(TYPE)), fc.nat(255));
  fc.assert(
    fc.property(types, fc.uint8Array({ maxLength: 200 }), (type, array) => {
      for (const decode of [(body: Buffer) => decodeReply(type, body), decodeHello]) {
        try {
          decode(Buffer.from(array));
        } catch (cause) {
          assert.ok(cause instanceof VarveError, String(cause));
        }
      }
    }),
    { numRuns: 1000 },
  );
});

test('false counts allocate no memory', () => {
  for (const type of [TYPE.name, TYPE.attributes]) {
    const body = encodePacket(type, [1, 0xffff_ffff, 0xffff_ffff]).subarray(5);
    assert.throws(() => decodeReply(type, body), isVarveError('storage', /a packet ends early|range|bytes/));
  }
});

interface Got {
  readonly type?: number;
  readonly id?: number;
  readonly body: Buffer;
}

function collector(): { stream: PacketStream; got: Got[] } {
  const got: Got[] = [];
  let contents = Buffer.alloc(0);
  const stream = new PacketStream({
    onPacket: (type, body) => void got.push({ type, body }),
    contentsFor: (_, length) => {
      contents = Buffer.alloc(length);
      return contents;
    },
    onContents: (id) => void got.push({ id, body: contents }),
  });
  return { stream, got };
}

test('packets do not depend on the pieces in which they arrive', () => {
  const packet = fc.oneof(
    fc.record({ type: fc.constantFrom(2, 101, 102, 104, 105, 201), body: bytes }, { noNullPrototype: true }),
    fc.record({ id: u32, body: bytes }, { noNullPrototype: true }),
  );
  fc.assert(
    fc.property(fc.array(packet), fc.infiniteStream(fc.integer({ min: 1, max: 40 })), (packets, lengths) => {
      const wire = Buffer.concat(
        packets.map((each) =>
          'id' in each
            ? encodePacket(TYPE.data, [each.id, each.body])
            : Buffer.concat([encodePacket(each.type, [], each.body.length), each.body]),
        ),
      );
      const { stream, got } = collector();
      for (let at = 0; at < wire.length; ) {
        const length = lengths.next().value;
        stream.feed(wire.subarray(at, at + length));
        at += length;
      }
      assert.deepEqual(got, packets);
    }),
  );
});

test('a packet of length zero or beyond the limit is refused without allocating memory', () => {
  for (const length of [0, MAX_PACKET + 1, 0xffff_ffff]) {
    const packet = Buffer.from([0, 0, 0, 0, TYPE.status]);
    packet.writeUInt32BE(length);
    assert.throws(
      () => collector().stream.feed(packet),
      isVarveError('storage', new RegExp(`a packet of ${length} bytes`)),
    );
  }
});

test('file contents whose length differs from their packet are refused', () => {
  for (const [packet, contents] of [
    [20, 12],
    [20, 10],
    [20, 0xffff_ffff],
  ] as const) {
    const wire = Buffer.alloc(13);
    wire.writeUInt32BE(packet);
    wire[4] = TYPE.data;
    wire.writeUInt32BE(contents, 9);
    assert.throws(() => collector().stream.feed(wire), isVarveError('storage', /another length/));
  }
});

test('cut returns pieces that join to the parts', () => {
  fc.assert(
    fc.property(fc.array(bytes), fc.integer({ min: 1, max: 500 }), (parts, length) => {
      const pieces = [...cut(parts, length)];
      let offset = 0;
      for (const piece of pieces) {
        assert.equal(piece.offset, offset);
        assert.ok(piece.length > 0 && piece.length <= length);
        if (piece !== pieces.at(-1)) assert.equal(piece.length, length);
        assert.equal(Buffer.concat(piece.views).length, piece.length);
        offset += piece.length;
      }
      assert.deepEqual(Buffer.concat(pieces.flatMap(({ views }) => views)), Buffer.concat(parts));
    }),
  );
});

test('printable removes control characters', () => {
  assert.equal(printable(Buffer.from('\u001b[2Jgone\r\n\u202e')), '[2Jgone');
  assert.equal(printable(Buffer.alloc(10_000, 0x61)).length, 200);
});
