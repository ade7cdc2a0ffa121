import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LruCache } from '../../src/mount/filesystem/lru-cache.js';

describe('LruCache', () => {
  it('evicts the least recently used when there are too many', () => {
    const evicted: number[] = [];
    const cache = new LruCache<string, number>({ maxEntries: 2, onEvict: (value) => evicted.push(value) });
    cache.set('a', 1);
    cache.set('b', 2);
    assert.equal(cache.get('a'), 1);
    cache.set('c', 3);
    assert.equal(cache.get('b'), undefined);
    assert.deepEqual(evicted, [2]);
    cache.set('a', 4);
    cache.delete('c');
    assert.deepEqual(evicted, [2, 1, 3]);
    cache.clear();
    assert.equal(cache.get('a'), undefined);
    assert.deepEqual(evicted, [2, 1, 3, 4]);
  });

  it('evicts when the values are too heavy, but keeps the last one', () => {
    const cache = new LruCache<string, string>({ maxWeight: 5, weigh: ({ length }) => length });
    cache.set('a', '12');
    cache.set('b', '34');
    cache.set('a', '1');
    cache.set('c', '56');
    assert.deepEqual(
      ['a', 'b', 'c'].map((key) => cache.get(key)),
      ['1', '34', '56'],
    );
    cache.set('d', '1234567');
    assert.deepEqual(
      ['a', 'b', 'c', 'd'].map((key) => cache.get(key)),
      [undefined, undefined, undefined, '1234567'],
    );
  });
});
