import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { MessagePackWriter } from '../../src/bytes/writer.js';
import { DirectoryParser, entriesOf } from '../../src/format/directory-parser.js';
import { type Entry, writeEntry } from '../../src/format/entry.js';
import { isVarveError } from '../errors/expect-error.js';
import * as any from './arbitraries.js';

/** Cuts the bytes at these places (taken modulo their number). */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  const parts: Buffer[] = [];
  let start = 0;
  for (const end of [...at, bytes.length]) {
    parts.push(bytes.subarray(start, end));
    start = end;
  }
  return parts;
}

const split = fc.record({ entries: any.directory, places: fc.array(fc.nat(), { maxLength: 12 }) });

test('a directory reads the same however its stream is cut', () => {
  fc.assert(
    fc.property(split, ({ entries, places }) => {
      const out = new MessagePackWriter();
      for (const entry of entries) writeEntry(out, entry);
      const names = [...entriesOf(cut(out.view(), places), 'tree')].map((reader) => reader.name.toString('latin1'));
      // The reader that is yielded stays valid for one step only, so names are taken while it lasts.
      const taken: string[] = [];
      for (const reader of entriesOf(cut(out.view(), places), 'tree'))
        taken.push(reader.entry().name.toString('latin1'));
      assert.equal(names.length, entries.length);
      assert.deepEqual(
        taken,
        entries.map((entry) => entry.name.toString('latin1')),
      );
    }),
    { numRuns: 300 },
  );
});

test('the order of names holds across parts', () => {
  fc.assert(
    fc.property(split, fc.nat(), ({ entries, places }, swap) => {
      fc.pre(entries.length >= 2);
      const at = swap % (entries.length - 1);
      const swapped = [...entries];
      [swapped[at], swapped[at + 1]] = [entries[at + 1] as (typeof entries)[0], entries[at] as (typeof entries)[0]];
      const out = new MessagePackWriter();
      for (const entry of swapped) writeEntry(out, entry);
      assert.throws(
        () => [...entriesOf(cut(out.view(), places), 'tree')],
        isVarveError('damaged', /names are out of order \(entry \d+/),
      );
    }),
  );
});

test('a name that comes twice is refused, also in the next part', () => {
  fc.assert(
    fc.property(any.entry, fc.boolean(), (entry, together) => {
      const out = new MessagePackWriter();
      writeEntry(out, entry);
      const one = Buffer.from(out.view());
      const parts = together ? [Buffer.concat([one, one])] : [one, one];
      assert.throws(() => [...entriesOf(parts, 'tree')], isVarveError('damaged', /names are out of order \(entry \d+/));
    }),
    { numRuns: 50 },
  );
});

test('long entries read the same in many small parts, the last one too, and have a limit', () => {
  const [entry] = fc.sample(
    any.entry.filter(({ type }) => type === 'symlink'),
    1,
  ) as [Entry];
  const targets = [300_000, 10, 70_000, 200_000].map((length) => Buffer.alloc(length, 'x'));
  const out = new MessagePackWriter();
  for (const [at, target] of targets.entries())
    writeEntry(out, { ...entry, name: Buffer.from(`${at}`), size: target.length, target });
  const parts: Buffer[] = [];
  for (let at = 0; at < out.length; at += 100) parts.push(Buffer.from(out.view().subarray(at, at + 100)));
  const lengths: (number | undefined)[] = [];
  for (const reader of entriesOf(parts, 'tree')) lengths.push(reader.target?.length);
  assert.deepEqual(lengths, [300_000, 10, 70_000, 200_000]);
  const endless = function* (): Generator<Buffer> {
    yield Buffer.from('9ec6ffffffff', 'hex');
    for (let mebibytes = 0; mebibytes < 40; mebibytes++) yield Buffer.alloc(1024 * 1024);
    assert.fail('it is read on and on');
  };
  assert.throws(() => [...entriesOf(endless(), 'tree')], isVarveError('damaged', /^tree: an entry is too long/));
});

test('a stream that ends within an entry is damaged', () => {
  fc.assert(
    fc.property(any.directory, fc.nat(), (entries, place) => {
      fc.pre(entries.length > 0);
      const out = new MessagePackWriter();
      const ends = new Set([0]);
      for (const entry of entries) {
        writeEntry(out, entry);
        ends.add(out.length);
      }
      const end = place % out.length;
      const parser = new DirectoryParser('/srv');
      const read = (): void => {
        for (const _ of parser.push(out.view().subarray(0, end)));
        for (const _ of parser.end());
      };
      if (ends.has(end)) assert.doesNotThrow(read);
      else assert.throws(read, isVarveError('damaged', /^\/srv: the last entry is cut off/));
    }),
  );
});

/** An array that is no entry, perhaps with a name. */
const noEntry = fc
  .oneof(
    any.entry.map((entry) => ({ ...entry, mode: 0o10000 })),
    any.entry.map((entry) => ({ ...entry, mtimeNanoseconds: 1e9 })),
    any.entry.map((entry) => ({ ...entry, uid: 2 ** 32 })),
    any.entry.map((entry) => ({ ...entry, mtimeSeconds: 2n ** 63n })),
    any.entry.map((entry) => ({ ...entry, name: Buffer.from('a/b') })),
  )
  .map((entry) => encoded(entry));

function encoded(entry: Entry): Buffer {
  const out = new MessagePackWriter();
  writeEntry(out, entry);
  return Buffer.from(out.view());
}

test('an entry that cannot be read costs that entry, wherever it is and however the stream is cut', () => {
  const strewn = fc.record({
    entries: any.directory,
    bad: fc.array(fc.tuple(fc.nat(), noEntry), { minLength: 1, maxLength: 4 }),
    places: fc.array(fc.nat(), { maxLength: 12 }),
  });
  fc.assert(
    fc.property(strewn, ({ entries, bad, places }) => {
      const parts = entries.map((entry) => ({ raw: encoded(entry), isBad: false }));
      for (const [at, raw] of bad) parts.splice(at % (parts.length + 1), 0, { raw, isBad: true });
      const blobs = cut(Buffer.concat(parts.map(({ raw }) => raw)), places);
      const found: string[] = [];
      const raws: string[] = [];
      const numbers: string[] = [];
      const taking = entriesOf(blobs, '/d', ({ raw, error }) => {
        raws.push(raw.toString('hex'));
        numbers.push(/\(entry (\d+)/.exec(error.message)?.[1] ?? '');
      });
      for (const reader of taking) found.push(reader.raw.toString('hex'));
      const hex = (isBad: boolean) =>
        parts.filter((part) => part.isBad === isBad).map(({ raw }) => raw.toString('hex'));
      assert.deepEqual(found, hex(false));
      assert.deepEqual(raws, hex(true));
      assert.deepEqual(
        numbers,
        parts.flatMap(({ isBad }, at) => (isBad ? [String(at + 1)] : [])),
      );
      let before = 0;
      const reading = (): void => {
        for (const _ of entriesOf(blobs, '/d')) before++;
      };
      assert.throws(reading, isVarveError('damaged', /^\/d: .*\(entry \d+/));
      assert.equal(before, entries.length);
    }),
    { numRuns: 300 },
  );
});
