import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { VarveError } from '../../errors/errors.js';
import { type Check, demand, demandError, demandNames, demandSame, HASHED, names, object, objects } from './subject.js';

const RACERS = 16;

/** Checks that objects are created once, stay whole, and stay. */
export const WRITING: readonly Check[] = [
  {
    what: 'create can run twice',
    run: async ({ store }) => {
      const { name, bytes } = object(100);
      await store.put('data', name, [bytes]);
      await store.create();
      demandSame(await store.get('data', name), bytes, 'an existing object');
    },
  },
  {
    what: 'config is created once',
    run: async ({ store, other }) => {
      await store.put('config', 'config', [Buffer.from('first')]);
      await demandError(store.put('config', 'config', [Buffer.from('again')]), 'exists', 'a second config');
      await demandError(other.put('config', 'config', [Buffer.from('other')]), 'exists', 'another’s config');
      demandSame(await store.get('config', 'config'), Buffer.from('first'), 'config');
      demand((await other.stat('config', 'config'))?.size === 5, 'config: stat says another size');
    },
  },
  {
    what: 'only one of many clients creates config',
    run: async ({ store, other }) => {
      const contents = Array.from({ length: RACERS }, (_, i) => Buffer.alloc(1000 + i, i));
      const results = await Promise.allSettled(
        contents.map((bytes, i) => (i % 2 === 0 ? store : other).put('config', 'config', [bytes])),
      );
      const winners = contents.filter((_, i) => results[i]?.status === 'fulfilled');
      for (const each of results) {
        if (each.status === 'fulfilled') continue;
        await demandError(Promise.reject(each.reason), 'exists', 'a late client');
      }
      demand(winners.length === 1, `${winners.length} of ${RACERS} clients created config`);
      demandSame(await store.get('config', 'config'), winners[0] as Buffer, 'config of the client that created it');
    },
  },
  {
    what: 'many clients can write one object at once, and it is whole',
    run: async ({ store, other }) => {
      const { name, bytes } = object(300_000);
      const racers = Array.from({ length: RACERS }, (_, i) => (i % 2 === 0 ? store : other).put('data', name, [bytes]));
      await Promise.all(racers);
      demandSame(await other.get('data', name), bytes, 'the object');
      demandNames(await names(other, 'data'), [name], 'data');
    },
  },
  {
    what: 'writing an existing object changes nothing',
    run: async ({ store, other }) => {
      for (const type of HASHED) {
        const { name, bytes } = object(5000);
        await store.put(type, name, [bytes]);
        for (const each of [store, other, store]) {
          await each.put(type, name, [bytes]);
          demandSame(await other.get(type, name), bytes, `${type}, put again`);
        }
        demandNames(await names(other, type), [name], type);
      }
    },
  },
  {
    what: 'no reader ever sees a part of an object',
    run: async ({ store, other }) => {
      const all = objects(60, (i) => (i % 3 === 0 ? 1_500_000 + i : 20_000 + i));
      const sizes = new Map(all.map(({ name, bytes }) => [name, bytes.length]));
      let writing = true;
      const puts = Promise.all(all.map(({ name, bytes }) => store.put('data', name, [bytes]))).finally(() => {
        writing = false;
      });
      // A failure shows after the reading has ended.
      puts.catch(() => undefined);
      while (writing) {
        for await (const { name, size } of other.list('data')) {
          demand(size === sizes.get(name), `${name}: the listing says ${size} bytes instead of ${sizes.get(name)}`);
          const hash = createHash('sha256')
            .update(await other.get('data', name))
            .digest('hex');
          demand(hash === name, `${name}: a read during other writes returned other bytes`);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      await puts;
      demandNames(await names(other, 'data'), [...sizes.keys()], 'data, in the end');
    },
  },
  {
    what: 'a removed object is gone for every client; removing it again succeeds',
    run: async ({ store, other }) => {
      const { name, bytes } = object(100);
      for (const type of HASHED) {
        await store.put(type, name, [bytes]);
        await store.get(type, name);
        for (const each of [store, store, other]) await each.remove(type, name);
        demandNames(await names(store, type), [], `${type}, after removal`);
        demandNames(await names(other, type), [], `${type}, after removal, by another client`);
        await demandError(store.get(type, name), 'not-found', 'reading a removed object', name);
        demand((await other.stat(type, name)) === undefined, `${type}: stat finds a removed object`);
        await store.put(type, name, [bytes]);
        demandSame(await other.get(type, name), bytes, `${type}, written again after removal`);
      }
    },
  },
  {
    what: 'replace restores a damaged object, in every namespace',
    run: async ({ store, other }) => {
      const { name, bytes } = object(70_000);
      for (const type of HASHED) {
        // A server that verifies uploads refuses this one, and then nothing is damaged.
        await store.put(type, name, [bytes.subarray(0, 100)]).catch(() => undefined);
        await store.replace(type, name, [bytes.subarray(0, 9), bytes.subarray(9)]);
        demandSame(await other.get(type, name), bytes, `${type}, replaced`);
        await store.replace(type, name, [bytes]);
        demandSame(await other.get(type, name), bytes, `${type}, replaced by the same bytes`);
        demandNames(await names(other, type), [name], type);
      }
    },
  },
  {
    what: 'a read during a replace returns the old or the new bytes',
    run: async ({ store, other, replacesInTwoSteps }) => {
      const { name, bytes } = object(300_000);
      await store.put('data', name, [bytes]);
      let replacing = true;
      const writing = (async () => {
        for (let round = 0; round < 20; round++) await store.replace('data', name, [bytes]);
      })().finally(() => {
        replacing = false;
      });
      writing.catch(() => undefined);
      while (replacing) {
        const read = await other.get('data', name).catch((cause: unknown) => {
          const missing = cause instanceof VarveError && cause.code === 'not-found';
          if (missing && replacesInTwoSteps === true) return bytes;
          throw cause;
        });
        demandSame(read, bytes, 'a read during a replace');
      }
      await writing;
      demandSame(await other.get('data', name), bytes, 'in the end');
    },
  },
];
