import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { belowLocation } from '../../src/storage/below-location.js';
import { CHECKS } from '../../src/storage/conformance/checks.js';
import { runChecks } from '../../src/storage/conformance/run.js';
import { measureSpeed } from '../../src/storage/conformance/speed.js';
import { names } from '../../src/storage/conformance/subject.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import type { ObjectInfo, ObjectType, Range, Store } from '../../src/storage/store.js';
import { ForwardingStore } from './forwarding-store.js';

/** What fails of a store, in the words of the checks. */
async function failing(store: Store, other: Store = store): Promise<string[]> {
  const failed: string[] = [];
  for await (const { what, error } of runChecks({ store, other })) if (error !== undefined) failed.push(what);
  return failed;
}

test('a store that keeps the contract passes all checks and stays as it was', async () => {
  const store = new MemoryStore();
  assert.deepEqual(await failing(store), []);
  for (const type of ['data', 'index', 'keys', 'locks', 'snapshots'] as const)
    assert.deepEqual(await names(store, type), []);
  assert.equal(await store.stat('config', 'config'), undefined);
});

const BROKEN: readonly [string, new (inner: Store) => Store, string][] = [
  [
    'overwrites config',
    class extends ForwardingStore {
      override async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
        if (type === 'config') return super.replace(type, name, parts);
        return super.put(type, name, parts);
      }
    },
    'config is created once',
  ],
  [
    'looks before it creates config',
    class extends ForwardingStore {
      override async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
        if (type !== 'config' || (await super.stat(type, name)) !== undefined) return super.put(type, name, parts);
        await new Promise((resolve) => setTimeout(resolve, 1));
        return super.replace(type, name, parts);
      }
    },
    'only one of many clients creates config',
  ],
  [
    'shows objects before they are whole',
    class extends ForwardingStore {
      override async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
        if (type === 'config') return super.put(type, name, parts);
        const bytes = Buffer.concat(parts);
        await super.replace(type, name, [bytes.subarray(0, bytes.length / 2)]);
        await new Promise((resolve) => setTimeout(resolve, 1));
        return super.replace(type, name, [bytes]);
      }
    },
    'no reader ever sees a part of an object',
  ],
  [
    'refuses to put again what is there',
    class extends ForwardingStore {
      override async put(type: ObjectType, name: string, parts: readonly Uint8Array[]): Promise<void> {
        if ((await super.stat(type, name)) !== undefined && type === 'index') throw new Error('it is there');
        return super.put(type, name, parts);
      }
    },
    'writing an existing object changes nothing',
  ],
  [
    'ignores ranges',
    class extends ForwardingStore {
      override get(type: ObjectType, name: string): Promise<Buffer> {
        return super.get(type, name);
      }
    },
    'ranges are exact',
  ],
  [
    'cuts ranges that go past the end',
    class extends ForwardingStore {
      override async get(type: ObjectType, name: string, range?: Range): Promise<Buffer> {
        const whole = await super.get(type, name);
        return range === undefined ? whole : whole.subarray(range.offset, range.offset + range.length);
      }
    },
    'a range beyond the end is damage, and the error names the object',
  ],
  [
    'lists a page only',
    class extends ForwardingStore {
      override async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
        let count = 0;
        for await (const info of super.list(type)) if (count++ < 250) yield info;
      }
    },
    'many small objects are all listed',
  ],
  [
    'lists late',
    class extends ForwardingStore {
      #before: ObjectInfo[] = [];
      override async *list(type: ObjectType): AsyncIterable<ObjectInfo> {
        const before = this.#before;
        this.#before = [];
        for await (const info of super.list(type)) this.#before.push(info);
        yield* type === 'index' ? before : this.#before;
      }
    },
    'later listings contain new objects and no removed objects',
  ],
  [
    'fails to remove twice',
    class extends ForwardingStore {
      override async remove(type: ObjectType, name: string): Promise<void> {
        if (type !== 'config' && (await super.stat(type, name)) === undefined) throw new Error('it is gone');
        return super.remove(type, name);
      }
    },
    'a removed object is gone for every client; removing it again succeeds',
  ],
  [
    'reports milliseconds',
    class extends ForwardingStore {
      override async now(): Promise<number> {
        return 1000 * (await super.now());
      }
    },
    'the clock agrees with the time of a new object',
  ],
];

for (const [what, Broken, wanted] of BROKEN) {
  test(`the checks detect a store that ${what}`, async () => {
    const failed = await failing(new Broken(new MemoryStore()));
    assert.ok(failed.includes(wanted), `failed: ${failed.join('; ')}`);
    assert.ok(failed.length < CHECKS.length / 2);
  });
}

test('the checks detect a store that other clients see elsewhere', async () => {
  assert.ok((await failing(new MemoryStore(), new MemoryStore())).length > 5);
});

test('measureSpeed measures packs, listings and requests', async () => {
  const { put, get, list, names: count, roundTrip } = await measureSpeed(new MemoryStore(), 4);
  for (const each of [put, get, list, roundTrip]) assert.ok(each > 0 && Number.isFinite(each));
  assert.equal(count, 100);
});

test('belowLocation appends a name to every kind of location', () => {
  for (const [place, wanted] of [
    ['/mnt/usb', '/mnt/usb/x'],
    ['/', '/x'],
    ['local:/mnt//', 'local:/mnt/x'],
    ['s3:https://host/bucket', 's3:https://host/bucket/x'],
    ['s3:bucket/prefix/', 's3:bucket/prefix/x'],
    ['sftp:host:', 'sftp:host:x'],
    ['sftp:host:/', 'sftp:host:/x'],
    ['rclone:remote:', 'rclone:remote:x'],
    ['rclone:remote:path', 'rclone:remote:path/x'],
    ['rest:http://host:8000', 'rest:http://host:8000/x/'],
    ['rest:http://host:8000/anna/', 'rest:http://host:8000/anna/x/'],
  ] as const)
    assert.equal(belowLocation(place, 'x'), wanted);
});
