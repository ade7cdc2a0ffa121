import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash, randomFillSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { IndexedPack } from '../../src/format/index-object.js';
import { blobCount, frameAt, frameCount, PackRecordBuilder } from '../../src/format/pack-record.js';
import type { BlobIndex } from '../../src/repository/index/blob-index.js';
import { BlobIndexBuilder } from '../../src/repository/index/blob-index-builder.js';
import * as any from '../format/arbitraries.js';

interface Place {
  readonly pack: string;
  readonly offset: number;
  readonly length: number;
  readonly frame: number;
}

/** Finds the positions of each blob by reading all records. A blob with several copies has several. */
function model(packs: readonly IndexedPack[]): Map<string, Place[]> {
  const places = new Map<string, Place[]>();
  const seen = new Set<string>();
  for (const { name, record } of packs) {
    const pack = name.toString('hex');
    if (seen.has(pack)) continue;
    seen.add(pack);
    let blob = 0;
    for (let frame = 0; frame < frameCount(record); frame++) {
      let offset = 0;
      for (let i = 0; i < frameAt(record, frame).blobs; i++, blob++) {
        const id = record.ids.toString('hex', blob * 32, blob * 32 + 32);
        const length = record.lengths.readUInt32LE(blob * 4);
        places.set(id, [...(places.get(id) ?? []), { pack, offset, length, frame }]);
        offset += length;
      }
    }
  }
  return places;
}

const VOUCHED = { writer: Buffer.alloc(16), vouched: true };

const packs = fc.array(any.packRecord, { maxLength: 6 }).map((records) =>
  records.map((record, number): IndexedPack => {
    // Now and then a pack is listed twice.
    const name = createHash('sha256')
      .update(String(number === 3 ? 1 : number))
      .digest();
    return { name, size: 1000, record: number === 3 ? (records[1] ?? record) : record, ...VOUCHED };
  }),
);

function build(usable: readonly IndexedPack[], condemned: readonly IndexedPack[] = []): BlobIndex {
  const total = [...usable, ...condemned].reduce((sum, { record }) => sum + blobCount(record), 0);
  const builder = new BlobIndexBuilder(total);
  for (const pack of usable) builder.add(pack);
  builder.endUsable();
  for (const pack of condemned) builder.add(pack);
  return builder.build();
}

test('BlobIndex finds the first number when a blob is stored several times', () => {
  fc.assert(
    fc.property(any.packRecord, (record) => {
      const twice = [1, 2].map(
        (name): IndexedPack => ({ name: Buffer.alloc(32, name), size: 1000, record, ...VOUCHED }),
      );
      const index = build(twice);
      const count = blobCount(record);
      for (let blob = 0; blob < count; blob++) {
        const first = index.find(record.ids, blob * 32);
        assert.equal(index.firstOf(blob), first);
        assert.equal(index.firstOf(count + blob), first);
      }
    }),
  );
});

test('BlobIndex locates each blob where its pack has it', () => {
  fc.assert(
    fc.property(packs, fc.nat(6), (all, split) => {
      const usable = all.slice(0, split);
      const index = build(usable, all.slice(split));
      const places = model(all);
      const usablePlaces = model(usable);
      for (const [hex, wanted] of places) {
        const id = Buffer.from(hex, 'hex');
        const blob = index.find(id);
        assert.ok(blob >= 0);
        const { pack, frame, offset, length } = index.locate(blob);
        assert.equal(index.locateFrame(blob), frame);
        assert.equal(index.lengthOf(blob), length);
        const { first } = index.framesOf(pack);
        const found = { pack: index.packName(pack), offset, length, frame: frame - first };
        assert.ok(
          wanted.some((each) => JSON.stringify(each) === JSON.stringify(found)),
          `${JSON.stringify(found)} is none of ${JSON.stringify(wanted)}`,
        );
        assert.equal(index.has(id), usablePlaces.has(hex), 'condemned packs are read and not relied on');
      }
    }),
    { numRuns: 300 },
  );
});

test('BlobIndex.frame returns everything that opening the frame takes', () => {
  fc.assert(
    fc.property(packs, (all) => {
      const index = build(all);
      const byName = new Map(all.map((pack) => [pack.name.toString('hex'), pack]));
      assert.equal(index.packCount, byName.size);
      for (let pack = 0; pack < index.packCount; pack++) {
        const { record } = byName.get(index.packName(pack)) as IndexedPack;
        assert.equal(index.packKind(pack), record.kind);
        const { first, end } = index.framesOf(pack);
        assert.equal(end - first, frameCount(record));
        for (let number = first; number < end; number++) {
          const wanted = frameAt(record, number - first);
          const { firstBlob, wrappedKey, pack: of, ...frame } = index.frame(number);
          const { key, ...rest } = wanted;
          assert.deepEqual(frame, rest);
          assert.equal(of, pack);
          assert.equal(index.packOf(number), pack);
          assert.deepEqual(wrappedKey, record.keys[key]);
          assert.equal(index.locateFrame(firstBlob), number);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('BlobIndex finds nothing for an unknown id, or when it is empty', () => {
  const empty = build([]);
  assert.equal(empty.find(Buffer.alloc(32)), -1);
  assert.equal(empty.size, 0);
  assert.equal(empty.packCount, 0);
  fc.assert(
    fc.property(packs, any.exactly(32), (all, id) => {
      fc.pre(!model(all).has(id.toString('hex')));
      const index = build(all);
      assert.equal(index.find(id), -1);
      assert.equal(index.has(id), false);
      // Ids with the same beginning are distinguished by any of their first 16 bytes.
      for (const hex of model(all).keys()) {
        for (const at of [0, 3, 4, 8, 12, 15]) {
          const near = Buffer.from(hex, 'hex');
          near[at] = (near[at] as number) ^ 0x10;
          if (!model(all).has(near.toString('hex'))) assert.equal(index.find(near), -1);
        }
      }
    }),
    { numRuns: 50 },
  );
});

test('BlobIndex wraps around its table when first words are the highest and lowest', () => {
  const ids = Array.from({ length: 200 }, (_, number) => {
    const id = Buffer.alloc(32, 0);
    id.writeUInt32LE(number % 2 === 0 ? 0xffff_ffff : 0, 0);
    id.writeUInt32LE(number, 4);
    return id;
  });
  const builder = new PackRecordBuilder(1);
  const lengths = ids.map(() => 1);
  builder.addFrame(
    { offset: 0, storedLength: 300, rawLength: 200, wrappedKey: Buffer.alloc(84), codec: 0, counter: 0 },
    Buffer.concat(ids),
    lengths,
  );
  const index = build([{ name: Buffer.alloc(32), size: 500, record: builder.build(), ...VOUCHED }]);
  for (const [number, id] of ids.entries()) assert.equal(index.find(id), number);
});

test('BlobIndex takes at most 40 bytes of memory a blob when frames have a usual size', () => {
  const packBlobs = 500;
  const blobsInFrame = 5;
  const count = 200;
  const builder = new BlobIndexBuilder(packBlobs * count);
  for (let number = 0; number < count; number++) {
    const record = new PackRecordBuilder(1);
    for (let frame = 0; frame < packBlobs / blobsInFrame; frame++) {
      const ids = randomFillSync(Buffer.alloc(32 * blobsInFrame));
      const lengths = Array.from({ length: blobsInFrame }, () => 100_000);
      const position = { offset: frame * 200_000, storedLength: 200_000, rawLength: 100_000 * blobsInFrame };
      record.addFrame({ ...position, wrappedKey: Buffer.alloc(84), codec: 1, counter: frame }, ids, lengths);
    }
    builder.add({ name: randomFillSync(Buffer.alloc(32)), size: 2 ** 24, record: record.build(), ...VOUCHED });
  }
  const { shared } = builder.build();
  // The columns of frames could hold one frame a blob, but pages that are never written take no memory.
  const used = shared.frameCount * 16;
  let bytes = used;
  for (const column of [
    shared.prefixes,
    shared.lengths,
    shared.slots,
    shared.packNames,
    shared.packKinds,
    shared.packFirstFrame,
    shared.packFirstKey,
    shared.keys,
  ])
    bytes += column.byteLength;
  assert.ok(bytes / shared.blobs <= 40, `${bytes / shared.blobs} bytes a blob`);
  assert.ok(shared.frames.buffer instanceof SharedArrayBuffer && shared.keys.buffer instanceof SharedArrayBuffer);
});
