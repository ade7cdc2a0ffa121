import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { type Int64, int64 } from '../../src/bytes/int64.js';
import { type Attachment, MAX_ATTACHMENT } from '../../src/format/attachment.js';
import type { ContentRef } from '../../src/format/content.js';
import type { Entry, EntryType } from '../../src/format/entry.js';
import { validName } from '../../src/format/entry-reader.js';
import { type PackRecord, PackRecordBuilder } from '../../src/format/pack-record.js';
import type { Snapshot } from '../../src/format/snapshot.js';
import type { Time } from '../../src/time/time.js';

/** fast-check's records have no prototype, which a strict comparison would mind. */
const record = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true }) as fc.Arbitrary<T>;

export const bytes = (constraints: fc.IntArrayConstraints): fc.Arbitrary<Buffer> =>
  fc.uint8Array(constraints).map((each) => Buffer.from(each));
export const exactly = (length: number): fc.Arbitrary<Buffer> => bytes({ minLength: length, maxLength: length });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
/** An unsigned number of 64 bits, often at the edges. */
export const u64: fc.Arbitrary<Int64> = fc
  .oneof(
    fc.constantFrom(
      0n,
      2n ** 32n,
      2n ** 53n - 1n,
      2n ** 53n,
      2n ** 53n + 1n,
      2n ** 63n - 1n,
      2n ** 63n,
      2n ** 64n - 1n,
    ),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.maxSafeNat().map(BigInt),
  )
  .map(int64);
/** A signed one. */
export const i64: fc.Arbitrary<Int64> = fc
  .oneof(
    fc.constantFrom(0n, -1n, 2n ** 53n - 1n, 2n ** 53n, -(2n ** 53n), 1n - 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.integer({ min: -(2 ** 34), max: 2 ** 34 }).map(BigInt),
  )
  .map(int64);
const seconds = fc.integer({ min: -(2 ** 34), max: 2 ** 34 });
const nanoseconds = fc.integer({ min: 0, max: 999_999_999 });
const text = fc.string({ unit: 'grapheme', maxLength: 40 });

export const name = bytes({ minLength: 1, maxLength: 40 }).filter(validName);
export const time: fc.Arbitrary<Time> = record({ seconds, nanoseconds });
export const content: fc.Arbitrary<ContentRef> = record({
  size: fc.oneof(
    fc.nat(2 ** 31 - 1).map((half) => half * 4096),
    fc.maxSafeNat().map((size) => Math.max(0, size - 1)),
  ),
  depth: fc.constantFrom<0 | 1>(0, 1),
  ids: fc.nat(5).chain((count) => exactly(count * 32)),
});

/** Short bytes, or the reference of a stream. */
const attachment: fc.Arbitrary<Attachment | undefined> = fc.option(
  fc.oneof(
    bytes({ maxLength: 80 }),
    content.map((each): Attachment => ({ ...each, size: each.size % MAX_ATTACHMENT })),
  ),
  { nil: undefined },
);

const TYPES: readonly EntryType[] = ['file', 'directory', 'symlink', 'fifo', 'socket', 'character', 'block'];

export const entry: fc.Arbitrary<Entry> = record({
  name,
  type: fc.constantFrom(...TYPES),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: u32,
  gid: u32,
  user: text,
  group: text,
  mtimeSeconds: i64,
  mtimeNanoseconds: nanoseconds,
  ctimeSeconds: i64,
  ctimeNanoseconds: nanoseconds,
  size: fc.constant(0),
  inode: u64,
  device: u64,
  links: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 0xffff_ffff })),
  content,
  target: bytes({ maxLength: 60 }).filter((each) => !each.includes(0)),
  rdev: fc.tuple(u32, u32),
  atime: fc.option(fc.tuple(i64, nanoseconds), { nil: undefined }),
  btime: fc.option(fc.tuple(i64, nanoseconds), { nil: undefined }),
  xattrs: attachment,
  holes: attachment,
}).map((each) => ({
  ...each,
  size: sizeOf(each),
  holes: each.type === 'file' ? each.holes : undefined,
  links: each.type === 'directory' ? 1 : each.links,
  content: each.type === 'file' || each.type === 'directory' ? each.content : undefined,
  target: each.type === 'symlink' ? each.target : undefined,
  rdev: each.type === 'character' || each.type === 'block' ? each.rdev : undefined,
}));

/** As SPEC.md has it for each type. */
function sizeOf({ type, content, holes, target }: Entry): number {
  if (type === 'file') return (content as ContentRef).size + (holes === undefined ? 0 : 1);
  return type === 'symlink' ? (target as Buffer).length : 0;
}

/** Entries with names of their own, in order. */
export const directory: fc.Arbitrary<Entry[]> = fc
  .uniqueArray(entry, { selector: (each) => each.name.toString('latin1'), maxLength: 12 })
  .map((entries) => entries.sort((a, b) => Buffer.compare(a.name, b.name)));

const frame = record({
  gap: fc.nat(1000),
  overhead: fc.nat(5000),
  codec: fc.constantFrom<0 | 1>(0, 1),
  counter: fc.nat(0xffff),
  key: fc.nat(2),
  lengths: fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 6 }),
});

export const packRecord: fc.Arbitrary<PackRecord> = record({
  kind: fc.constantFrom<1 | 2>(1, 2),
  keys: fc.array(exactly(84), { minLength: 3, maxLength: 3 }),
  frames: fc.array(frame, { maxLength: 5 }),
  seed: fc.nat(),
}).map(({ kind, keys, frames, seed }) => {
  const builder = new PackRecordBuilder(kind);
  let offset = 0;
  let blob = seed;
  for (const { gap, overhead, codec, counter, key, lengths } of frames) {
    offset += gap;
    const rawLength = lengths.reduce((sum, each) => sum + each, 0);
    const storedLength = 17 + overhead;
    const ids = Buffer.alloc(lengths.length * 32);
    for (let at = 0; at < ids.length; at += 4) ids.writeUInt32LE(Math.imul(++blob, 0x9e3779b1) >>> 0, at);
    const wrappedKey = keys[key] as Buffer;
    builder.addFrame({ offset, storedLength, rawLength, wrappedKey, codec, counter }, ids, lengths);
    offset += storedLength;
  }
  return builder.build();
});

const count = fc.maxSafeNat();

export const snapshot: fc.Arbitrary<Snapshot> = record({
  time,
  host: text,
  user: text,
  uid: u32,
  gid: u32,
  paths: fc.array(bytes({ minLength: 1, maxLength: 50 }), { maxLength: 4 }),
  tags: fc.array(text, { maxLength: 4 }),
  excludes: fc.array(text, { maxLength: 4 }),
  parent: fc.option(exactly(32), { nil: undefined }),
  original: fc.option(exactly(32), { nil: undefined }),
  root: content,
  program: text,
  summary: fc.option(
    record({
      backup_start: time,
      backup_end: time,
      files_new: count,
      files_changed: count,
      files_unmodified: count,
      dirs_new: count,
      dirs_changed: count,
      dirs_unmodified: count,
      data_blobs: count,
      tree_blobs: count,
      data_added: count,
      data_added_packed: count,
      total_files_processed: count,
      total_bytes_processed: count,
      entries_with_xattrs: count,
    }),
    { nil: undefined },
  ),
}).chain((plain) => {
  const { paths } = plain;
  const figures = record({ entries: count, bytes: count });
  const sources = fc.array(figures, { minLength: paths.length, maxLength: paths.length });
  return fc.tuple(fc.option(sources, { nil: undefined }), fc.subarray([...paths])).map(([counted, suspect]) => ({
    ...plain,
    ...(counted && { sources: counted }),
    ...(suspect.length > 0 && { suspect }),
  }));
});
