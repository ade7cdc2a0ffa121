import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { EntryRun, memoryOf } from '../../src/backup/entry-run.js';
import { mergeEntries } from '../../src/backup/merge.js';
import { MessagePackWriter } from '../../src/bytes/writer.js';
import { NameList } from '../../src/filesystem/name-list.js';
import { type Entry, writeEntry } from '../../src/format/entry.js';
import { EntryReader } from '../../src/format/entry-reader.js';
import * as any from '../format/arbitraries.js';

function encoded(entry: Entry): Buffer {
  const out = new MessagePackWriter();
  writeEntry(out, entry);
  return Buffer.from(out.view());
}

test('merge joins runs and single entries to one directory', () => {
  const dealt = fc
    .tuple(any.directory, fc.array(fc.nat(5), { minLength: 12, maxLength: 12 }))
    .map(([entries, hands]) => entries.map((entry, at) => ({ entry, hand: hands[at % hands.length] as number })));
  fc.assert(
    fc.property(dealt, (cards) => {
      const runs = [1, 2, 3].map((hand) =>
        Buffer.concat(cards.filter((each) => each.hand === hand).map(({ entry }) => encoded(entry))),
      );
      const late = cards
        .filter(({ hand }) => ![1, 2, 3].includes(hand))
        .reverse()
        .map(({ entry }) => ({ name: entry.name, raw: encoded(entry) }));
      const merged = Buffer.concat([...mergeEntries(runs, late)].map((raw) => Buffer.from(raw)));
      assert.deepEqual(merged, Buffer.concat(cards.map(({ entry }) => encoded(entry))));
      const reader = new EntryReader(merged, 'merged');
      while (reader.next());
      assert.equal(reader.rest.length, 0);
    }),
  );
});

test('EntryRun returns its entries in order, also in pieces for another thread', () => {
  const part = fc.oneof(
    any.bytes({ minLength: 1, maxLength: 3000 }),
    fc.constant(undefined),
    fc.constant('late' as const),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 40 }), (parts) => {
      const run = new EntryRun();
      const expected: Buffer[] = [];
      const late: { raw: Buffer | undefined }[] = [];
      for (const each of parts) {
        if (Buffer.isBuffer(each)) {
          run.add(each);
          expected.push(each);
        } else {
          const raw = each === 'late' ? Buffer.from(`late ${late.length}`) : undefined;
          const later: { raw: Buffer | undefined } = { raw: undefined };
          run.addLater(later);
          late.push(later);
          later.raw = raw;
          if (raw !== undefined) expected.push(raw);
        }
      }
      assert.deepEqual(Buffer.concat([...run.bytes()]), Buffer.concat(expected));
      const pieces = run.pieces();
      const moved = structuredClone(pieces, { transfer: memoryOf(pieces) });
      assert.deepEqual(Buffer.concat(moved), Buffer.concat(expected));
    }),
  );
});

test('NameList sorts names in byte order', () => {
  fc.assert(
    fc.property(fc.uniqueArray(any.name, { selector: (name) => name.toString('latin1'), maxLength: 300 }), (names) => {
      const list = NameList.of(names);
      assert.equal(list.length, names.length);
      assert.deepEqual(
        [...list].map((name) => Buffer.from(name)),
        [...names].sort(Buffer.compare),
      );
    }),
  );
});
