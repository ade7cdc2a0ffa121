// Checks of the contract about reading objects.
// run.ts runs them.
import { Buffer } from 'node:buffer';
import { type Check, demand, demandError, demandSame, HASHED, names, object } from './subject.js';

/** Bytes: larger than a single part of an upload or a listing of any store. */
const BIG = 25 * 1024 * 1024 + 11;

/** Checks that reads return what was written. */
export const READING: readonly Check[] = [
  {
    what: 'an empty location has no objects',
    run: async ({ store }) => {
      for (const type of HASHED) demand((await names(store, type)).length === 0, `${type}: has objects`);
      demand((await store.stat('config', 'config')) === undefined, 'config: exists');
      await demandError(store.get('config', 'config'), 'not-found', 'getting config', 'config');
    },
  },
  {
    what: 'every client can read a new object, in every namespace',
    run: async ({ store, other }) => {
      for (const type of HASHED) {
        for (const length of [0, 1, 1000, 3_000_000]) {
          const { name, bytes } = object(length);
          await store.put(type, name, [bytes]);
          demandSame(await store.get(type, name), bytes, `${type} of ${length} bytes`);
          demandSame(await other.get(type, name), bytes, `${type} of ${length} bytes, by another client`);
          const info = await store.stat(type, name);
          demand(
            info?.size === length && info.name === name,
            `${type}: stat says ${info?.size} bytes instead of ${length}`,
          );
        }
      }
    },
  },
  {
    what: 'a big object is stored whole, and every range of it can be read',
    run: async ({ store, other }) => {
      const { name, bytes } = object(BIG);
      await store.put('data', name, [bytes.subarray(0, 5_000_000), bytes.subarray(5_000_000)]);
      demand((await other.stat('data', name))?.size === BIG, 'stat says another size');
      demandSame(await other.get('data', name), bytes, 'the whole');
      for (const [offset, length] of [
        [0, 1],
        [BIG - 1, 1],
        [5_000_000 - 1, 2],
        [1_234_567, 9_876_543],
      ] as const) {
        const part = await store.get('data', name, { offset, length });
        demandSame(part, bytes.subarray(offset, offset + length), `${length} bytes from ${offset} on`);
      }
    },
  },
  {
    what: 'ranges are exact',
    run: async ({ store }) => {
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
          demandSame(part, bytes.subarray(offset, offset + length), `${type}: ${length} bytes from ${offset} on`);
        }
      }
    },
  },
  {
    what: 'a range beyond the end is damage, and the error names the object',
    run: async ({ store, other }) => {
      const { name, bytes } = object(1000);
      for (const type of HASHED) {
        await other.put(type, name, [bytes]);
        for (const advice of [{}, { keep: true }]) {
          for (const [offset, length] of [
            [0, 1001],
            [1000, 1],
            [5000, 10],
          ] as const) {
            const what = `${type}: ${length} bytes from ${offset} on, of 1000`;
            // Twice, because the remains of a first attempt must not matter.
            for (const each of [what, `${what}, again`])
              await demandError(store.get(type, name, { offset, length }, advice), 'damaged', each, `${type}/${name}`);
          }
        }
      }
    },
  },
  {
    what: 'a missing object has an internal error that names it',
    run: async ({ store }) => {
      const { name } = object(1);
      for (const type of HASHED) {
        const path = `${type}/${name}`;
        const range = { offset: 0, length: 1 };
        await demandError(store.get(type, name), 'not-found', 'reading a missing object', path);
        await demandError(store.get(type, name, range), 'not-found', 'reading a range of a missing object', path);
        await demandError(store.get(type, name, range, { keep: true }), 'not-found', 'reading a missing object', path);
        demand((await store.stat(type, name)) === undefined, `${path}: stat finds a missing object`);
      }
    },
  },
  {
    what: 'returned bytes belong to the caller',
    run: async ({ store }) => {
      const { name, bytes } = object(1000);
      for (const type of HASHED) {
        await store.put(type, name, [bytes]);
        for (const range of [undefined, { offset: 10, length: 100 }]) {
          (await store.get(type, name, range)).fill(0);
          const wanted = range === undefined ? bytes : bytes.subarray(10, 110);
          demandSame(await store.get(type, name, range), wanted, `${type}, after its bytes were overwritten in memory`);
        }
      }
    },
  },
  {
    what: 'a read fills the caller’s buffer, and no more of it than it needs',
    run: async ({ store }) => {
      const { name, bytes } = object(100_000);
      await store.put('data', name, [bytes]);
      for (const size of [99, 60_000, 150_000]) {
        for (const advice of [{}, { keep: true }]) {
          const into = Buffer.from(new SharedArrayBuffer(size)).fill(7);
          const whole = await store.get('data', name, undefined, { ...advice, into });
          demandSame(whole, bytes, `an object, into a buffer of ${size} bytes`);
          demandUntouched(into, whole);
          into.fill(7);
          const part = await store.get('data', name, { offset: 1000, length: 50_000 }, { ...advice, into });
          demandSame(part, bytes.subarray(1000, 51_000), `50000 bytes of an object, into a buffer of ${size}`);
          demandUntouched(into, part);
        }
      }
    },
  },
  {
    what: 'the clock agrees with the time of a new object',
    run: async ({ store }) => {
      const { name, bytes } = object(10);
      await store.put('locks', name, [bytes]);
      const info = await store.stat('locks', name);
      const now = await store.now();
      demand(
        Math.abs(now - Date.now() / 1000) < 24 * 3600,
        `the store’s clock is more than a day off: ${new Date(now * 1000)}`,
      );
      if (info?.modified !== undefined)
        demand(
          Math.abs(info.modified - now) < 60,
          `a new object has the time ${info.modified}, and the store’s clock says ${now}`,
        );
      for await (const { modified } of store.list('locks')) {
        if (modified === undefined || info?.modified === undefined) continue;
        demand(
          Math.abs(modified - info.modified) < 2,
          `listing and stat report different times: ${modified}, ${info.modified}`,
        );
      }
      demand((await store.now()) >= now - 2, 'the store’s clock goes backwards');
    },
  },
];

/** Checks of puts from shared memory and in several parts. */
export const PARTS: readonly Check[] = [
  {
    what: 'an object can have several parts',
    run: async ({ store, other }) => {
      const { name, bytes } = object(200_000);
      const parts = [bytes.subarray(0, 1), bytes.subarray(1, 1), bytes.subarray(1, 70_000), bytes.subarray(70_000)];
      await store.put('data', name, parts);
      demandSame(await store.get('data', name), bytes, 'an object of four parts');
      demandSame(await other.get('data', name), bytes, 'an object of four parts, by another client');
    },
  },
  {
    what: 'a large object in shared memory is stored whole',
    run: async ({ store, other }) => {
      for (const length of [1_048_575, 1_048_576, 1_048_577, 2_097_152, 2_101_248 + 511]) {
        const shared = Buffer.from(new SharedArrayBuffer(length));
        const { name, bytes } = object(length);
        bytes.copy(shared);
        await store.put('data', name, [shared]);
        demandSame(await other.get('data', name), bytes, `${length} bytes`);
        demand((await other.stat('data', name))?.size === length, `${length} bytes: stat says another size`);
      }
    },
  },
];

/** @throws unless the buffer is unchanged outside the result */
function demandUntouched(into: Buffer, bytes: Buffer): void {
  const from = bytes.buffer === into.buffer ? bytes.length : 0;
  demand(
    into.subarray(from).every((byte) => byte === 7),
    `the read wrote beyond the ${from} bytes of the object`,
  );
}
