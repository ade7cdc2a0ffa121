import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Arena, type Region } from '../../src/mount/filesystem/arena.js';
import { InodeNumbers } from '../../src/mount/filesystem/inode-numbers.js';
import { DIRECTORY, LINKED, NodeTable } from '../../src/mount/filesystem/node-table.js';
import { seeded } from '../filesystem/random.js';

describe('Arena', () => {
  it('allocates in a ring and keeps regions when they are being filled', () => {
    const random = seeded(1);
    const arena = new Arena(64 * 1024);
    const live = new Map<Region, number>();
    let mark = 0;
    let evicted = 0;
    for (let step = 0; step < 20_000; step++) {
      const length = 1 + random.below(5000);
      let region: Region | undefined;
      region = arena.take(length, () => {
        evicted++;
        assert.equal(region?.filling, false);
        if (region !== undefined) live.delete(region);
      });
      if (region === undefined) {
        assert.ok([...live.keys()].filter(({ filling }) => filling).length > 3);
        for (const each of live.keys()) each.filling = false;
        continue;
      }
      const value = ++mark % 251;
      region.bytes.fill(value);
      live.set(region, value);
      if (random.below(4) > 0) region.filling = false;
      for (const each of live.keys()) if (random.below(20) === 0) each.filling = false;
      const [oldest] = live;
      for (const [each, expected] of [[region, value] as const, ...(oldest === undefined ? [] : [oldest])])
        assert.ok(
          each.bytes.every((byte) => byte === expected),
          `step ${step}`,
        );
    }
    assert.ok(evicted > 1000);
    assert.equal(
      arena.take(32 * 1024, () => undefined),
      undefined,
    );
  });
});

describe('NodeTable', () => {
  const numbers = new InodeNumbers([1, 2]);

  it('keeps a node for each entry and removes it when the kernel has forgotten it and its children', () => {
    const gone: number[] = [];
    const table = new NodeTable((node) => gone.push(node));
    const root = table.node(1, -1, { low: 1, high: 0 }, DIRECTORY);
    assert.equal(root, 1);
    const directory = table.node(
      root,
      0,
      numbers.named({ low: 1, high: 0 }, Buffer.from('directory')),
      DIRECTORY,
      root,
    );
    table.countLookup(directory);
    const children = Array.from({ length: 5000 }, (_, number) => {
      const inode = numbers.named(table.inode(directory), Buffer.from(`child ${number}`));
      const child = table.node(directory, number, inode, 0, root);
      table.countLookup(child);
      assert.equal(table.node(directory, number, inode, 0, root), child);
      return child;
    });
    assert.equal(new Set(children).size, 5000);
    table.forget(directory, 1);
    assert.deepEqual(gone, []);
    for (const child of children) table.forget(child, 1);
    assert.deepEqual(gone, [...children, directory]);
    assert.equal(table.count, 1);
    table.forget(4000, 1);
    table.forget(1, 1);
    assert.ok(table.has(1));
  });

  it('shares a node between hard links, but not between entries when their numbers collide', () => {
    const table = new NodeTable(() => undefined);
    const root = table.node(1, -1, { low: 1, high: 0 }, DIRECTORY);
    const inode = numbers.linked(table.inode(root), 5n, 2n ** 60n);
    const first = table.node(root, 0, inode, LINKED, root);
    assert.equal(table.node(root, 9, inode, LINKED, root), first);
    const [a, b] = [table.node(root, 20, inode, 0, root), table.node(root, 30, inode, 0, root)];
    assert.equal(new Set([first, a, b]).size, 3);
    assert.notDeepEqual(numbers.linked({ low: 7, high: 0 }, 5n, 2n ** 60n), inode);
  });
});
