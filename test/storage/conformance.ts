import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash, randomFillSync } from 'node:crypto';
import { test } from 'node:test';
import type { ObjectType, Store } from '../../src/storage/store.js';
import { fails } from '../crypto/rings.js';

/** A store under test, fresh for each test. */
export interface Subject {
  readonly store: Store;
  /** The same place seen by somebody else, who has no cache or the like in common. */
  readonly other: Store;
  /** Puts something there that varve did not write; absent where nobody can. */
  readonly plant?: (type: ObjectType, name: string, bytes: Buffer) => Promise<void>;
}

const HASHED: readonly ObjectType[] = ['keys', 'data', 'index', 'snapshots', 'locks'];

export interface TestObject {
  readonly name: string;
  readonly bytes: Buffer;
}

export function object(length: number): TestObject {
  const bytes = randomFillSync(Buffer.alloc(length));
  return { name: createHash('sha256').update(bytes).digest('hex'), bytes };
}

export async function names(store: Store, type: ObjectType): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of store.list(type)) found.push(name);
  return found.sort();
}

/**
 * The contract that is written above the Store interface, as tests.
 *
 * @param except what a server behind the store cannot do, and why
 */
export function conformance(
  kind: string,
  open: () => Promise<Subject>,
  except: Readonly<Record<string, string>> = {},
): void {
  const excepted = new Set(Object.keys(except));
  const check = (what: string, body: (subject: Subject) => Promise<void>): void => {
    excepted.delete(what);
    test(`${kind}: ${what}`, { skip: except[what] ?? false }, async () => {
      const subject = await open();
      try {
        await body(subject);
      } finally {
        await subject.store.close();
        await subject.other.close();
      }
    });
  };

  check('an empty place has nothing', async ({ store }) => {
    for (const type of HASHED) assert.deepEqual(await names(store, type), []);
    assert.equal(await store.stat('config', 'config'), undefined);
    await assert.rejects(store.get('config', 'config'), fails('not-found', /config/));
  });

  check('preparing the place twice harms nothing', async ({ store }) => {
    const { name, bytes } = object(100);
    await store.put('data', name, [bytes]);
    await store.create();
    assert.deepEqual(await store.get('data', name), bytes);
  });

  check('what is put can be got, in every namespace, by everybody', async ({ store, other }) => {
    for (const type of HASHED) {
      for (const length of [0, 1, 1000, 3_000_000]) {
        const { name, bytes } = object(length);
        await store.put(type, name, [bytes]);
        assert.deepEqual(await store.get(type, name), bytes, `${type} ${length}`);
        assert.deepEqual(await other.get(type, name), bytes, `${type} ${length}`);
        const info = await store.stat(type, name);
        assert.equal(info?.size, length);
        assert.equal(info?.name, name);
      }
    }
  });

  check('an object may come in parts', async ({ store, other }) => {
    const { name, bytes } = object(200_000);
    await store.put('data', name, [
      bytes.subarray(0, 1),
      bytes.subarray(1, 1),
      bytes.subarray(1, 70_000),
      bytes.subarray(70_000),
    ]);
    assert.deepEqual(await store.get('data', name), bytes);
    assert.deepEqual(await other.get('data', name), bytes);
  });

  check('a large object in shared memory, of any length, is put whole', async ({ store, other }) => {
    for (const length of [1_048_575, 1_048_576, 1_048_577, 2_097_152, 2_101_248 + 511]) {
      const shared = Buffer.from(new SharedArrayBuffer(length));
      const { name, bytes } = object(length);
      bytes.copy(shared);
      await store.put('data', name, [shared]);
      assert.ok((await other.get('data', name)).equals(bytes), `${length}`);
      assert.equal((await other.stat('data', name))?.size, length);
    }
  });

  check('ranges are exact', async ({ store }) => {
    const { name, bytes } = object(10_000);
    for (const type of HASHED) {
      await store.put(type, name, [bytes]);
      for (const [offset, length] of [
        [0, 0],
        [0, 1],
        [0, 10_000],
        [9999, 1],
        [10_000, 0],
        [1234, 5678],
      ] as const) {
        const part = await store.get(type, name, { offset, length });
        assert.deepEqual(part, bytes.subarray(offset, offset + length), `${type} ${offset}+${length}`);
      }
    }
  });

  check('a range that goes past the end is damage, and is named', async ({ store, other }) => {
    const { name, bytes } = object(1000);
    for (const type of HASHED) {
      await other.put(type, name, [bytes]);
      for (const advice of [{}, { keep: true }]) {
        for (const range of [
          { offset: 0, length: 1001 },
          { offset: 1000, length: 1 },
          { offset: 5000, length: 10 },
        ]) {
          const wanted = fails('damaged', new RegExp(`${type}/${name}`));
          await assert.rejects(store.get(type, name, range, advice), wanted, `${type} ${JSON.stringify(range)}`);
          // Once more: what a first try may have left behind makes no difference.
          await assert.rejects(store.get(type, name, range, advice), wanted, `${type} ${JSON.stringify(range)} again`);
        }
      }
    }
  });

  check('what is missing is an error of its own that names it', async ({ store }) => {
    const { name } = object(1);
    for (const type of HASHED) {
      const wanted = fails('not-found', new RegExp(`${type}/${name}`));
      await assert.rejects(store.get(type, name), wanted);
      await assert.rejects(store.get(type, name, { offset: 0, length: 1 }), wanted);
      await assert.rejects(store.get(type, name, { offset: 0, length: 1 }, { keep: true }), wanted);
      assert.equal(await store.stat(type, name), undefined);
    }
  });

  check('config is created once', async ({ store, other }) => {
    await store.put('config', 'config', [Buffer.from('first')]);
    await assert.rejects(store.put('config', 'config', [Buffer.from('again')]), fails('exists'));
    await assert.rejects(other.put('config', 'config', [Buffer.from('other')]), fails('exists'));
    assert.equal((await store.get('config', 'config')).toString(), 'first');
    assert.equal((await other.stat('config', 'config'))?.size, 5);
  });

  check('of many that create config at once, one succeeds', async ({ store, other }) => {
    const attempts = Array.from({ length: 8 }, (_, i) =>
      (i % 2 === 0 ? store : other).put('config', 'config', [Buffer.from([i])]),
    );
    const results = await Promise.allSettled(attempts);
    const winners = results.flatMap((each, i) => (each.status === 'fulfilled' ? [i] : []));
    assert.equal(winners.length, 1);
    for (const each of results) if (each.status === 'rejected') fails('exists')(each.reason);
    assert.deepEqual([...(await store.get('config', 'config'))], winners);
  });

  check('putting an object that is there changes nothing', async ({ store, other }) => {
    const { name, bytes } = object(5000);
    await store.put('data', name, [bytes]);
    await store.put('data', name, [bytes]);
    await Promise.all([store, other, store].map((each) => each.put('data', name, [bytes])));
    assert.deepEqual(await other.get('data', name), bytes);
    assert.deepEqual(await names(other, 'data'), [name]);
  });

  check('what is damaged is replaced whole, in every namespace', async ({ store, other }) => {
    const { name, bytes } = object(70_000);
    for (const type of HASHED) {
      for (const damaged of [bytes.subarray(0, 100), Buffer.alloc(0), Buffer.alloc(bytes.length)]) {
        await store.replace(type, name, [damaged]);
        await store.replace(type, name, [bytes.subarray(0, 9), bytes.subarray(9)]);
        assert.deepEqual(await other.get(type, name), bytes);
        assert.deepEqual(await names(other, type), [name]);
      }
    }
  });

  check('who reads while an object is replaced gets the old bytes or the new', async ({ store, other }) => {
    const [first, second] = [object(300_000), object(200_000)];
    await store.put('data', first.name, [first.bytes]);
    let replacing = true;
    const writing = (async () => {
      for (let round = 0; round < 20; round++)
        await store.replace('data', first.name, [(round % 2 === 0 ? second : first).bytes]);
      replacing = false;
    })();
    while (replacing) {
      const read = await other.get('data', first.name);
      assert.ok(read.equals(first.bytes) || read.equals(second.bytes));
    }
    await writing;
  });

  check('a list has each object once, with its size, in its own namespace only', async ({ store, other }) => {
    const put = new Map<ObjectType, TestObject[]>();
    for (const type of HASHED) {
      const objects = Array.from({ length: 20 }, (_, i) => object(i));
      // Two may be of length 0 and so one object.
      const distinct = [...new Map(objects.map((each) => [each.name, each])).values()];
      put.set(type, distinct);
      await Promise.all(distinct.map(({ name, bytes }) => store.put(type, name, [bytes])));
    }
    for (const [type, objects] of put) {
      const found: [string, number][] = [];
      for await (const { name, size } of other.list(type)) found.push([name, size]);
      const wanted = objects.map(({ name, bytes }): [string, number] => [name, bytes.length]);
      assert.deepEqual(found.sort(), wanted.sort());
    }
  });

  check('names that varve did not write are left out', async ({ store, plant }) => {
    if (plant === undefined) return;
    const { name, bytes } = object(10);
    for (const type of HASHED) {
      await store.put(type, name, [bytes]);
      const junk = [
        'README',
        `${name}.tmp`,
        name.toUpperCase(),
        name.slice(1),
        `${name}0`,
        '.DS_Store',
        '.tmp-0123456789abcdef',
        `.${name}`,
      ];
      for (const each of junk) await plant(type, each, bytes);
      assert.deepEqual(await names(store, type), [name]);
    }
  });

  check('what is removed is gone for everybody; removing it again succeeds', async ({ store, other }) => {
    const { name, bytes } = object(100);
    for (const type of HASHED) {
      await store.put(type, name, [bytes]);
      await store.get(type, name);
      await store.remove(type, name);
      await store.remove(type, name);
      await other.remove(type, name);
      assert.deepEqual(await names(store, type), []);
      assert.deepEqual(await names(other, type), []);
      await assert.rejects(store.get(type, name), fails('not-found'));
      await store.put(type, name, [bytes]);
      assert.deepEqual(await other.get(type, name), bytes);
    }
  });

  check('no reader ever sees a part of an object', async ({ store, other }) => {
    const sizes = new Map<string, number>();
    const objects = Array.from({ length: 60 }, (_, i) => object(i % 3 === 0 ? 1_500_000 + i : 20_000 + i));
    for (const { name, bytes } of objects) sizes.set(name, bytes.length);
    let writing = true;
    const puts = Promise.all(objects.map(({ name, bytes }) => store.put('data', name, [bytes]))).finally(() => {
      writing = false;
    });
    let lists = 0;
    while (writing) {
      for await (const { name, size } of other.list('data')) {
        assert.equal(size, sizes.get(name), name);
        const bytes = await other.get('data', name);
        assert.equal(createHash('sha256').update(bytes).digest('hex'), name);
      }
      lists++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await puts;
    assert.ok(lists > 0);
    assert.deepEqual(await names(other, 'data'), [...sizes.keys()].sort());
  });

  check(
    'a list shows what was there before and not removed, whatever comes and goes meanwhile',
    async ({ store, other }) => {
      const stay = Array.from({ length: 40 }, () => object(50));
      const go = Array.from({ length: 20 }, () => object(50));
      for (const { name, bytes } of [...stay, ...go]) await store.put('index', name, [bytes]);
      const found = new Set<string>();
      let step = 0;
      for await (const { name } of other.list('index')) {
        found.add(name);
        const gone = go[step++];
        if (gone !== undefined) await store.remove('index', gone.name);
        const { name: fresh, bytes } = object(50);
        if (step < 20) await store.put('index', fresh, [bytes]);
      }
      for (const { name } of stay) assert.ok(found.has(name));
    },
  );

  check('bytes that were handed out are the caller’s own', async ({ store }) => {
    const { name, bytes } = object(1000);
    for (const type of HASHED) {
      await store.put(type, name, [bytes]);
      for (const range of [undefined, { offset: 10, length: 100 }]) {
        (await store.get(type, name, range)).fill(0);
        const again = await store.get(type, name, range);
        assert.deepEqual(again, range === undefined ? bytes : bytes.subarray(10, 110));
      }
    }
  });

  check('the clock is near the time of what is put now', async ({ store }) => {
    const { name, bytes } = object(10);
    await store.put('locks', name, [bytes]);
    const info = await store.stat('locks', name);
    const now = await store.now();
    if (info?.modified !== undefined) assert.ok(Math.abs(info.modified - now) < 60);
    for await (const { modified } of store.list('locks')) assert.equal(modified, info?.modified);
  });
  assert.deepEqual([...excepted], []);
}
