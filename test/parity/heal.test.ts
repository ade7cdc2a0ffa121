import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash, randomFillSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { FOOTER_LENGTH } from '../../src/crypto/footer.js';
import { healPack } from '../../src/parity/heal.js';
import { descriptionAt, FOOTER_BYTES, type ParityLayout, parityLayout } from '../../src/parity/layout.js';
import { writeParity } from '../../src/parity/section.js';
import { piecesOf } from './pieces.js';

const nameOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

interface Pack {
  readonly bytes: Buffer;
  readonly name: string;
  readonly layout: ParityLayout;
}

function makePack(length: number, percent: number): Pack {
  const layout = parityLayout(length, percent);
  assert.ok(layout !== undefined, `${length} bytes have room for parity`);
  const bytes = randomFillSync(Buffer.alloc(length));
  writeParity(bytes, layout);
  return { bytes, name: nameOf(bytes), layout };
}

function flip(bytes: Buffer, at: number): void {
  bytes[at] = (bytes[at] as number) ^ 0x10;
}

function assertHealed(pack: Pack, damaged: Buffer, what: string): void {
  const healing = healPack(damaged, pack.name);
  assert.equal(healing.kind, 'healed', `${what}: ${'reason' in healing ? healing.reason : healing.kind}`);
  assert.ok(healing.kind === 'healed' && healing.bytes.equals(pack.bytes));
}

const lengths = fc.oneof(
  fc.constantFrom(4096, 5120, 7168, 255 * 1024, 255 * 1024 + 8192, 262_144),
  fc.integer({ min: 6000, max: 400_000 }),
);
const percents = fc.constantFrom(1, 2, 5, 10, 50, 100);

test('damage in as many pieces as there are parity shards heals, wherever it is', () => {
  fc.assert(
    fc.property(lengths, percents, fc.infiniteStream(fc.nat(2 ** 30)), (length, percent, numbers) => {
      const pack = makePack(length, percent);
      const next = (limit: number): number => (numbers.next().value as number) % limit;
      const pieces = piecesOf(pack.layout);
      const damaged = Buffer.from(pack.bytes);
      for (let count = 0; count < pack.layout.parityShards; count++) {
        const { start, end } = pieces.splice(next(pieces.length), 1)[0] as { start: number; end: number };
        const way = next(3);
        if (way === 0) flip(damaged, start + next(end - start));
        else if (way === 1) damaged.fill(0, start, end);
        else randomFillSync(damaged, start, end - start);
      }
      assertHealed(pack, damaged, `${length} bytes, ${percent} %`);
    }),
    { numRuns: 150 },
  );
});

test('each byte of a small pack is covered', () => {
  const pack = makePack(4096, 5);
  for (let at = 0; at < pack.bytes.length; at++) {
    const damaged = Buffer.from(pack.bytes);
    flip(damaged, at);
    assertHealed(pack, damaged, `byte ${at}`);
  }
});

test('heal restores a tail cut off within the budget and drops appended bytes', () => {
  for (const [length, percent] of [
    [5120, 1],
    [100_000, 5],
    [300_000, 20],
  ] as const) {
    const pack = makePack(length, percent);
    const { layout, bytes } = pack;
    const most = descriptionAt(layout, 1);
    for (const end of [most, most + 1, most + 500, bytes.length - FOOTER_BYTES, bytes.length - 1])
      assertHealed(pack, bytes.subarray(0, end), `${length} bytes cut to ${end}`);
    assertHealed(pack, Buffer.concat([bytes, randomFillSync(Buffer.alloc(5000))]), 'longer');
  }
});

test('a run of zeros heals anywhere, when it is shorter than the parity shards by one', () => {
  for (const percent of [1, 7]) {
    const pack = makePack(70_000, percent);
    const { shard, parityShards } = pack.layout;
    for (let start = 0; start < pack.bytes.length; start += 499) {
      const damaged = Buffer.from(pack.bytes);
      damaged.fill(0, start, Math.min(start + (parityShards - 1) * shard, damaged.length));
      assertHealed(pack, damaged, `from ${start}`);
    }
  }
});

test('heal reports damage beyond its parity, and a pack without parity', () => {
  const pack = makePack(100_000, 5);
  const { shard, parityShards, dataShards, offset } = pack.layout;
  const damaged = Buffer.from(pack.bytes);
  for (let j = 0; j <= parityShards; j++) flip(damaged, offset - 1 - j * shard);
  assert.deepEqual(healPack(damaged, pack.name), {
    kind: 'beyond',
    reason: `its parity covers ${parityShards} of ${dataShards + parityShards} shards, and ${parityShards + 1} are damaged`,
  });
  for (const none of [Buffer.alloc(0), randomFillSync(Buffer.alloc(50_000)), pack.bytes.subarray(0, 50_000)])
    assert.deepEqual(healPack(none, pack.name), { kind: 'none' });
});

test('heal refuses a result that does not match the name of the pack', () => {
  const [pack, other] = [makePack(20_000, 5), makePack(20_000, 5)];
  const damaged = Buffer.from(other.bytes);
  flip(damaged, 0);
  assert.deepEqual(healPack(damaged, pack.name), { kind: 'beyond', reason: 'its parity is that of another pack' });
});

test('heal ignores planted descriptions and bounds the work for them', () => {
  const pack = makePack(60_000, 10);
  const others = [1, 2, 3].map((percent) => makePack(4096 + 256 * percent, percent));
  const damaged = Buffer.from(pack.bytes);
  // Those are planted in three shards.
  for (const [number, other] of others.entries()) {
    const { layout } = other;
    const start = descriptionAt(layout, 0);
    other.bytes.copy(damaged, pack.layout.offset - (number + 1) * pack.layout.shard, start, start + layout.description);
  }
  assert.ok(pack.layout.parityShards >= 3);
  assertHealed(pack, damaged, 'planted');
  const huge = Buffer.alloc(200_000);
  const layout = parityLayout(2 ** 30, 100) as ParityLayout;
  const lie = Buffer.alloc(layout.description);
  lie.write('VRVR\x01', 'latin1');
  lie[5] = 100;
  lie.writeBigUInt64LE(2n ** 30n, 8);
  createHash('sha256')
    .update(lie.subarray(0, -32))
    .digest()
    .copy(lie, lie.length - 32);
  for (let at = 0; at + lie.length < huge.length; at += lie.length) lie.copy(huge, at);
  assert.equal(healPack(huge, pack.name).kind, 'beyond');
  assert.equal(healPack(Buffer.from('VRVR\x01'.repeat(100_000), 'latin1'), pack.name).kind, 'none');
});

test('the layout follows from length and percent, and has the percent that was asked for', () => {
  assert.equal(FOOTER_BYTES, FOOTER_LENGTH);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 30 }), fc.integer({ min: 1, max: 100 }), (length, percent) => {
      const layout = parityLayout(length, percent);
      if (layout === undefined) return assert.ok(length < 8192);
      const { dataShards, parityShards, shard, offset, sectionLength } = layout;
      assert.equal(offset + sectionLength + FOOTER_BYTES, length);
      assert.ok(dataShards + parityShards <= 255 && dataShards >= 1 && parityShards >= 2);
      assert.ok(dataShards * shard >= offset, 'the data shards hold all that is covered');
      assert.ok(parityShards >= (dataShards * percent) / 100 - 1e-9);
      if (length > 300_000) assert.ok(sectionLength / offset < (percent * 1.5 + 2) / 100);
      return undefined;
    }),
  );
  for (const percent of [0, 101]) assert.equal(parityLayout(100_000, percent), undefined);
  assert.equal(parityLayout(2 ** 30 + 1, 5), undefined);
});
