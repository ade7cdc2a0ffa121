import type { ObjectType } from '../store.js';
import { type Check, demand, demandNames, HASHED, listed, names, object, objects, type TestObject } from './subject.js';

/** Checks of listings. */
export const LISTING: readonly Check[] = [
  {
    what: 'a listing has each object once, with its size, in its own namespace only',
    run: async ({ store, other }) => {
      const put = new Map<ObjectType, TestObject[]>();
      for (const type of HASHED) {
        const distinct = objects(20, (i) => i);
        put.set(type, distinct);
        await Promise.all(distinct.map(({ name, bytes }) => store.put(type, name, [bytes])));
      }
      for (const [type, wanted] of put) {
        const found = await listed(other, type);
        const wantedNames = wanted.map(({ name }) => name);
        demandNames(
          found.map(({ name }) => name),
          wantedNames,
          type,
        );
        const sizes = new Map(wanted.map(({ name, bytes }) => [name, bytes.length]));
        for (const { name, size } of found)
          demand(
            size === sizes.get(name),
            `${type}/${name}: the listing says ${size} bytes instead of ${sizes.get(name)}`,
          );
      }
    },
  },
  {
    what: 'many small objects are all listed',
    run: async ({ store, other }) => {
      const many = objects(300, () => 40);
      await Promise.all(many.map(({ name, bytes }) => store.put('snapshots', name, [bytes])));
      demandNames(
        await names(other, 'snapshots'),
        many.map(({ name }) => name),
        'snapshots',
      );
    },
  },
  {
    what: 'later listings contain new objects and no removed objects',
    run: async ({ store, other }) => {
      for (let round = 0; round < 10; round++) {
        const { name, bytes } = object(30);
        await store.put('index', name, [bytes]);
        demandNames(await names(other, 'index'), [name], 'index, just after a put');
        await store.remove('index', name);
        demandNames(await names(other, 'index'), [], 'index, just after a removal');
      }
    },
  },
  {
    what: 'a listing is complete while other objects come and go',
    run: async ({ store, other }) => {
      const stay = objects(40, () => 50);
      const go = objects(20, () => 51);
      for (const { name, bytes } of [...stay, ...go]) await store.put('index', name, [bytes]);
      const found: string[] = [];
      for await (const { name } of other.list('index')) {
        const gone = go[found.length];
        if (gone !== undefined) await store.remove('index', gone.name);
        const fresh = object(50);
        if (found.push(name) < 20) await store.put('index', fresh.name, [fresh.bytes]);
      }
      const missing = stay.filter(({ name }) => !found.includes(name));
      demand(missing.length === 0, `${missing.length} of 40 objects are missing from a listing during changes`);
      demand(new Set(found).size === found.length, 'a listing during changes has objects twice');
    },
  },
  {
    what: 'a list skips names that varve did not write',
    plants: true,
    run: async ({ store, plant }) => {
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
        demandNames(await names(store, type), [name], type);
      }
    },
  },
];
