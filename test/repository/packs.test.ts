import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Chunker } from '../../src/chunking/chunker.js';
import { compressionParameters } from '../../src/compression/policy.js';
import { blobId } from '../../src/crypto/blob-id.js';
import { FOOTER_LENGTH, openFooter, sealFooter } from '../../src/crypto/footer.js';
import { openFrame, sealFrameInto, unwrapPackKey } from '../../src/crypto/pack-key.js';
import { rotateKeys } from '../../src/crypto/slot.js';
import { VarveError } from '../../src/errors/errors.js';
import { type BlobKind, type ContentRef, DATA, TREE } from '../../src/format/content.js';
import { blobCount, frameAt, frameCount } from '../../src/format/pack-record.js';
import { isPadmeLength } from '../../src/format/padme.js';
import { healPack } from '../../src/parity/heal.js';
import { BlobIndexBuilder } from '../../src/repository/index/blob-index-builder.js';
import { indexedPack } from '../../src/repository/index/index-store.js';
import { originOf } from '../../src/repository/index/trust.js';
import { BlobWriter } from '../../src/repository/packs/blob-writer.js';
import { readPackDirectory, verifyPack } from '../../src/repository/packs/pack-directory.js';
import { mergeParts } from '../../src/repository/packs/pack-merge.js';
import { type FinishedPack, type PackPart, PackWriter, packCapacity } from '../../src/repository/packs/pack-writer.js';
import { FrameOpener, locateBlob, PackKeyRing } from '../../src/repository/reading/blob-reader.js';
import { splitIds } from '../../src/repository/reading/content-stream.js';
import { objectName, type Repository } from '../../src/repository/repository.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import { newRing } from '../crypto/rings.js';
import { isVarveError } from '../errors/expect-error.js';

const ring = await newRing();
const { keys, identity } = ring.full;
const signer = { keys, identity };
const SIZES = { min: 256, average: 1024, max: 4096 };
const TARGET = 128 * 1024;

interface Stored {
  readonly name: string;
  readonly bytes: Buffer;
  readonly pack: FinishedPack;
}

/** Unlimited buffers, and the packs that were completed in them. */
class Buffers {
  readonly #buffers: Uint8Array[] = [];
  readonly stored: Stored[] = [];
  readonly parity: number;

  /** @param parity percent */
  constructor(parity = 0) {
    this.parity = parity;
  }

  acquire(): number {
    return this.#buffers.push(new Uint8Array(packCapacity(TARGET, SIZES.max, this.parity))) - 1;
  }

  bytes(number: number): Uint8Array {
    return this.#buffers[number] as Uint8Array;
  }

  take(pack: FinishedPack): void {
    this.stored.push({ name: pack.name, bytes: Buffer.from(this.bytes(pack.buffer).subarray(0, pack.size)), pack });
  }
}

interface Writers {
  readonly blobs: BlobWriter;
  readonly packs: PackWriter;
}

function writers(
  buffers: Buffers,
  kind: BlobKind,
  known: Set<string>,
  frameTarget: number,
  compression: 'auto' | 'off' = 'auto',
): Writers {
  const packs = new PackWriter({
    signer,
    kind,
    compression: compressionParameters(compression),
    target: TARGET,
    parity: buffers.parity,
    buffers,
    emit: (pack) => buffers.take(pack),
  });
  const claim = (id: Buffer): boolean => known.size !== known.add(id.toString('hex')).size;
  const chunker = Chunker.create(keys.gear, SIZES, BlobWriter.capacity(SIZES.max, frameTarget));
  const blobs = new BlobWriter({ kind, chunker, idKey: keys.id, deduplicator: { claim }, packs, frameTarget });
  return { blobs, packs };
}

const stream = fc
  .record({
    length: fc.oneof(fc.constantFrom(0, 1, 255, 256, 4096, 4097), fc.nat(60_000)),
    letters: fc.constantFrom(1, 3, 256),
    seed: fc.nat(5),
  })
  .map(({ length, letters, seed }) => {
    const out = Buffer.alloc(length);
    let state = seed + 1;
    for (let at = 0; at < length; at++) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      out[at] = (state >>> 16) % letters;
    }
    return out;
  });

function repositoryOf(buffers: Buffers): Repository {
  const store = new MemoryStore();
  for (const { name, bytes } of buffers.stored) void store.put('data', name, [bytes]);
  return { store, keys } as unknown as Repository;
}

/** Reads streams back from nothing but the packs. */
async function readBack(buffers: Buffers, kind: BlobKind, references: readonly ContentRef[]): Promise<Buffer[]> {
  const repository = repositoryOf(buffers);
  const builder = new BlobIndexBuilder(200_000);
  for (const { name, bytes, pack } of buffers.stored) {
    assert.equal(name, objectName(bytes), 'a pack is named by its SHA-256');
    assert.ok(isPadmeLength(bytes.length));
    const { record } = await verifyPack(repository, name, bytes);
    assert.deepEqual(record, pack.record, 'the directory says what the index will');
    builder.add(indexedPack(name, bytes.length, record, originOf(signer)));
  }
  const index = builder.build();
  const opener = new FrameOpener(index, keys, new PackKeyRing(keys));
  const packs = new Map(buffers.stored.map(({ name, bytes }) => [name, bytes]));
  return references.map((reference) => {
    const parts: Buffer[] = [];
    for (const id of splitIds(reference.ids)) {
      const { frame, offset, length, pack } = locateBlob(index, id, kind);
      const located = index.frame(frame);
      const bytes = Buffer.from(packs.get(index.packName(pack)) as Buffer);
      const raw = opener.open(located, bytes.subarray(located.offset, located.offset + located.storedLength));
      const blob = raw.subarray(offset, offset + length);
      opener.verify(id, kind, blob, pack);
      parts.push(Buffer.from(blob));
    }
    return Buffer.concat(parts);
  });
}

/** Demands that parity restores lost bytes of a pack. */
function assertHeals(bytes: Buffer, name: string): void {
  const lost = Buffer.from(bytes);
  lost.fill(0, bytes.length >> 1, (bytes.length >> 1) + 1000);
  const healing = healPack(lost, name);
  assert.ok(healing.kind === 'healed' && healing.bytes.equals(bytes));
}

const setting = fc.record({
  streams: fc.array(stream, { maxLength: 12 }),
  kind: fc.constantFrom<BlobKind>(DATA, TREE),
  frameTarget: fc.constantFrom(2048, 16_384, 100_000),
  compression: fc.constantFrom<'auto' | 'off'>('auto', 'off'),
  piece: fc.constantFrom(1000, 7777, 1 << 20),
  parity: fc.constantFrom(0, 0, 1, 5, 100),
});

test('BlobWriter stores streams that read back the same', async () => {
  await fc.assert(
    fc.asyncProperty(setting, async ({ streams, kind, frameTarget, compression, piece, parity }) => {
      const buffers = new Buffers(parity);
      const { blobs, packs } = writers(buffers, kind, new Set(), frameTarget, compression);
      const references = streams.map((bytes) => {
        blobs.begin();
        for (let at = 0; at < bytes.length; at += piece) blobs.write(bytes.subarray(at, at + piece));
        return blobs.end();
      });
      blobs.flush();
      packs.finish();
      for (const [at, reference] of references.entries()) assert.equal(reference.size, streams[at]?.length);
      assert.deepEqual(await readBack(buffers, kind, references), streams);
      const ids = buffers.stored.flatMap(({ pack }) => [...splitIds(pack.record.ids)].map((id) => id.toString('hex')));
      assert.equal(new Set(ids).size, ids.length, 'no blob is stored twice');
      assert.equal(blobs.stored.blobs, ids.length);
      for (const { pack, name, bytes } of buffers.stored) {
        assert.equal(pack.record.kind, kind);
        if (parity > 0) assertHeals(bytes, name);
      }
    }),
    { numRuns: 60 },
  );
});

test('BlobWriter cuts a stream the same however it arrives and whatever came before it', () => {
  fc.assert(
    fc.property(fc.array(stream, { minLength: 1, maxLength: 6 }), fc.constantFrom(500, 3000), (streams, piece) => {
      const alone = streams.map((bytes) => {
        const { blobs } = writers(new Buffers(), DATA, new Set(), 16_384);
        blobs.begin();
        blobs.write(bytes);
        return blobs.end().ids;
      });
      const { blobs } = writers(new Buffers(), DATA, new Set(), 2048);
      for (const [at, bytes] of streams.entries()) {
        blobs.begin();
        for (let from = 0; from < bytes.length; ) {
          const buffer = blobs.space();
          const count = Math.min(piece, buffer.length, bytes.length - from);
          buffer.set(bytes.subarray(from, from + count));
          blobs.commit(count);
          from += count;
        }
        assert.deepEqual(blobs.end().ids, alone[at]);
      }
    }),
    { numRuns: 40 },
  );
});

test('BlobWriter stores the next stream whole when one was not ended', async () => {
  const buffers = new Buffers();
  const { blobs, packs } = writers(buffers, DATA, new Set(), 16_384);
  const whole = [randomBytes(30_000), randomBytes(30_000)];
  const references: ContentRef[] = [];
  for (const bytes of whole) {
    blobs.begin();
    blobs.write(randomBytes(9000));
    blobs.begin();
    blobs.write(bytes);
    references.push(blobs.end());
  }
  blobs.flush();
  packs.finish();
  assert.deepEqual(await readBack(buffers, DATA, references), whole);
});

test('BlobWriter stores many small streams, known ones among them, when its memory fills many times', async () => {
  const buffers = new Buffers();
  const { blobs, packs } = writers(buffers, DATA, new Set(), 100_000);
  const streams = Array.from({ length: 3000 }, (_, i) => randomBytes(500 + ((i * 7919) % 9000)));
  const references = [...streams, ...streams.slice(0, 500)].map((bytes) => {
    blobs.begin();
    blobs.write(bytes);
    return blobs.end();
  });
  blobs.flush();
  packs.finish();
  assert.deepEqual(await readBack(buffers, DATA, references), [...streams, ...streams.slice(0, 500)]);
  assert.ok(buffers.stored.length > 50, 'several packs');
});

test('PackWriter closes packs near their target, and never outgrows a buffer', () => {
  const buffers = new Buffers();
  const { blobs, packs } = writers(buffers, DATA, new Set(), 16_384);
  blobs.begin();
  for (let i = 0; i < 20; i++) blobs.write(randomBytes(100_000));
  blobs.end();
  blobs.flush();
  packs.finish();
  const sizes = buffers.stored.map(({ bytes }) => bytes.length);
  for (const size of sizes.slice(0, -1)) assert.ok(size >= TARGET && size <= TARGET * 1.5, String(size));
});

test('PackWriter does not outgrow a buffer when frames have very many tiny blobs', { timeout: 60_000 }, async () => {
  const buffers = new Buffers();
  const { blobs, packs } = writers(buffers, DATA, new Set(), 2 * 1024 * 1024);
  const streams = Array.from({ length: 150_000 }, (_, number) => Buffer.from(`${number}`));
  const references = streams.map((bytes) => {
    blobs.begin();
    blobs.write(bytes);
    return blobs.end();
  });
  blobs.flush();
  packs.finish();
  const sample = references.filter((_, number) => number % 1000 === 0);
  const wanted = streams.filter((_, number) => number % 1000 === 0);
  assert.deepEqual(await readBack(buffers, DATA, sample), wanted);
});

test('BlobWriter compresses text and keeps noise raw', () => {
  const codecs = (content: Buffer, compression: 'auto' | 'off'): Set<number> => {
    const buffers = new Buffers();
    const { blobs, packs } = writers(buffers, DATA, new Set(), 16_384, compression);
    blobs.begin();
    blobs.write(content);
    blobs.end();
    blobs.flush();
    packs.finish();
    const { record } = (buffers.stored[0] as Stored).pack;
    return new Set(Array.from({ length: frameCount(record) }, (_, number) => frameAt(record, number).codec));
  };
  const text = Buffer.from(Array.from({ length: 3000 }, (_, i) => `line ${i}\n`).join(''));
  assert.deepEqual([...codecs(text, 'auto')], [1]);
  assert.deepEqual([...codecs(text, 'off')], [0]);
  assert.deepEqual([...codecs(randomBytes(50_000), 'auto')], [0]);
});

test('mergeParts makes few packs, which read like any other', async () => {
  const part = fc.record({ streams: fc.array(stream, { maxLength: 4 }), kind: fc.constantFrom<BlobKind>(DATA, TREE) });
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 6 }), fc.constantFrom(0, 5, 100), async (all, parity) => {
      const buffers = new Buffers(parity);
      const known = { [DATA]: new Set<string>(), [TREE]: new Set<string>() };
      const parts: PackPart[] = [];
      const references = all.map(({ streams, kind }) => {
        const { blobs, packs } = writers(buffers, kind, known[kind], 16_384);
        const own = streams.map((bytes) => {
          blobs.begin();
          blobs.write(bytes);
          return blobs.end();
        });
        blobs.flush();
        const rest = packs.takePart();
        if (rest !== undefined) parts.push(rest);
        assert.equal(packs.takePart(), undefined);
        return own;
      });
      const before = buffers.stored.length;
      const released: number[] = [];
      const merged = mergeParts(
        signer,
        parts,
        (number) => buffers.bytes(number),
        (number) => released.push(number),
        parity,
      );
      for (const pack of merged) buffers.take(pack);
      assert.equal(merged.length + released.length, parts.length);
      assert.ok(buffers.stored.length - before <= Math.max(1, parts.length));
      for (const kind of [DATA, TREE] as const) {
        const mine = all.flatMap((each, at) =>
          each.kind === kind ? [{ streams: each.streams, refs: references[at] ?? [] }] : [],
        );
        const found = await readBack(
          buffers,
          kind,
          mine.flatMap(({ refs }) => refs),
        );
        assert.deepEqual(
          found,
          mine.flatMap(({ streams }) => streams),
        );
      }
    }),
    { numRuns: 30 },
  );
});

/** A pack of some frames, and a repository to read it with. */
function onePack(parity = 0): { buffers: Buffers; stored: Stored; repository: Repository } {
  const buffers = new Buffers(parity);
  const { blobs, packs } = writers(buffers, DATA, new Set(), 4096);
  blobs.begin();
  blobs.write(randomBytes(30_000));
  blobs.end();
  blobs.flush();
  packs.finish();
  return { buffers, stored: buffers.stored[0] as Stored, repository: repositoryOf(buffers) };
}

for (const parity of [0, 5])
  test(`readPackDirectory refuses a pack with parity ${parity} by name when its end is changed, cut or moved`, async () => {
    const { stored } = onePack(parity);
    const { bytes } = stored;
    const attempt = async (changed: Buffer, code: 'damaged' | 'role' = 'damaged'): Promise<void> => {
      const store = new MemoryStore();
      const name = createHash('sha256').update(changed).digest('hex');
      await store.put('data', name, [changed]);
      const reading = readPackDirectory({ store, keys } as unknown as Repository, name, changed.length);
      await assert.rejects(reading, isVarveError(code, new RegExp(`^data/${name}: `)));
    };
    for (let back = 1; back <= 92; back += 3) {
      const changed = Buffer.from(bytes);
      changed[bytes.length - back] = (changed[bytes.length - back] as number) ^ 4;
      // These bytes are the epoch: a key that is out of date would see another one.
      const inEpoch = back > 80 && back <= 84;
      await attempt(changed, inEpoch ? 'role' : 'damaged');
    }
    for (const length of [0, 1, 91, 92, 1000, bytes.length - 1]) await attempt(bytes.subarray(0, length));
    await attempt(Buffer.concat([bytes, Buffer.of(0)]));
    const footer = { kind: DATA, directoryLength: 500, parityOffset: 0, parityLength: 0 } as const;
    for (const directoryOffset of [bytes.length, bytes.length - 92, 0, 2 ** 29]) {
      await attempt(Buffer.concat([bytes.subarray(0, -92), sealFooter(keys, { ...footer, directoryOffset })]));
    }
    const [body, own] = [bytes.subarray(0, -FOOTER_LENGTH), openFooter(keys, bytes.subarray(-FOOTER_LENGTH), 'x')];
    await attempt(Buffer.concat([body, sealFooter(keys, { ...own, kind: TREE })]));
    await attempt(Buffer.concat([body, sealFooter(keys, { ...own, parityLength: own.parityLength + 1 })]));
    if (parity > 0)
      await attempt(Buffer.concat([body, sealFooter(keys, { ...own, parityOffset: own.parityOffset - 1 })]));
    await attempt(Buffer.concat([body, Buffer.alloc(16), sealFooter(keys, own)]));
    await attempt(Buffer.concat([body, sealFooter(rotateKeys(keys), own)]), 'role');
  });

test('FrameOpener refuses a frame that is changed or another one, and a blob under another id', () => {
  const { stored } = onePack();
  const { record } = stored.pack;
  const builder = new BlobIndexBuilder(blobCount(record));
  builder.add(indexedPack(stored.name, stored.bytes.length, record, originOf(signer)));
  const index = builder.build();
  const opener = new FrameOpener(index, keys, new PackKeyRing(keys));
  const frame = index.frame(0);
  const bytes = (): Buffer => Buffer.from(stored.bytes.subarray(frame.offset, frame.offset + frame.storedLength));
  const raw = Buffer.from(opener.open(frame, bytes()));
  for (const at of [0, 1, 1000, frame.storedLength - 1, frame.storedLength - 16]) {
    const changed = bytes();
    changed[at] = (changed[at] as number) ^ 1;
    assert.throws(() => opener.open(frame, changed), isVarveError('damaged', new RegExp(`data/${stored.name}`)));
  }
  assert.throws(() => opener.open(frame, bytes().subarray(1)), isVarveError('damaged'));
  assert.throws(() => opener.open({ ...frame, counter: 1 }, bytes()), isVarveError('damaged'));
  assert.throws(() => opener.open({ ...frame, codec: 1 }, bytes()), isVarveError('damaged'));
  assert.throws(() => opener.open({ ...frame, rawLength: frame.rawLength - 1 }, bytes()), isVarveError('damaged'));
  assert.throws(() => opener.open(index.frame(1), bytes()), isVarveError('damaged'));
  const [id, other] = [...splitIds(record.ids)] as [Buffer, Buffer];
  const blob = raw.subarray(0, record.lengths.readUInt32LE(0));
  assert.ok(opener.matches(id, DATA, blob));
  assert.throws(() => opener.verify(other, DATA, blob, 0), isVarveError('damaged', /holds other data/));
  assert.throws(() => opener.verify(id, TREE, blob, 0), isVarveError('damaged'));
  assert.throws(() => locateBlob(index, id, TREE), isVarveError('damaged', /in no pack/));
  assert.throws(() => locateBlob(index, Buffer.alloc(32), DATA), isVarveError('damaged', /in no pack/));
});

test('unwrapPackKey fails when the role may not open the pack', () => {
  const { stored } = onePack();
  const [wrapped] = stored.pack.record.keys as [Buffer];
  assert.ok(unwrapPackKey(ring.full.keys, DATA, wrapped));
  assert.throws(() => unwrapPackKey(ring.manage.keys, DATA, wrapped), isVarveError('role'));
  assert.throws(() => unwrapPackKey(ring.append.keys, DATA, wrapped), isVarveError('role'));
});

test('openFrame opens a frame when it was copied to another pack with its wrapped key', () => {
  const { stored } = onePack();
  const [wrapped] = stored.pack.record.keys as [Buffer];
  const frame = frameAt(stored.pack.record, 2);
  const key = unwrapPackKey(keys, DATA, wrapped);
  const body = Buffer.from(stored.bytes.subarray(frame.offset, frame.offset + frame.storedLength));
  assert.equal(openFrame(key, frame.counter, frame.codec, frame.rawLength, body, 'elsewhere').length, frame.rawLength);
  const again = Buffer.alloc(1100);
  const content = randomBytes(1000);
  const length = sealFrameInto(again, 7, key, 9, 0, 1000, content);
  const opened = openFrame(key, 9, 0, 1000, Buffer.from(again.subarray(7, 7 + length)), 'x');
  assert.deepEqual(Buffer.from(opened), content);
  assert.throws(() => sealFrameInto(Buffer.alloc(10), 0, key, 1, 0, 10, Buffer.alloc(10)), VarveError);
  assert.equal(blobId(keys.id, DATA, content).length, 32);
});
