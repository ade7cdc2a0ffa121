import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VarveError } from '../../src/errors/errors.js';
import { LoggedStore } from '../../src/storage/guards/logged.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import { names, object } from './conformance.js';
import { FaultyStore } from './faulty-store.js';

test('LoggedStore writes a line for each request with object, size, time and result', async () => {
  const lines: string[] = [];
  const store = new LoggedStore(new MemoryStore(), (line) => lines.push(line));
  const { name, bytes } = object(1000);
  await store.create();
  await store.put('data', name, [bytes.subarray(0, 10), bytes.subarray(10)]);
  await store.get('data', name);
  await store.get('data', name, { offset: 5, length: 20 });
  await store.stat('data', name);
  await names(store, 'data');
  await store.replace('data', name, [bytes]);
  await store.remove('data', name);
  await store.stat('data', name);
  await store.now();
  const plain = lines.map((line) => line.replace(/^\S+T\S+Z /, '').replace(/\d+\.\d ms/, 'N ms'));
  assert.deepEqual(plain, [
    'create  memory: N ms ok',
    `put     data/${name} 1000 B N ms ok`,
    `get     data/${name} 1000 B N ms ok`,
    `get     data/${name} from 5 20 B N ms ok`,
    `stat    data/${name} of 1000 B N ms ok`,
    'list    data 1 names N ms ok',
    `replace data/${name} 1000 B N ms ok`,
    `remove  data/${name} N ms ok`,
    `stat    data/${name} not there N ms ok`,
    'now     memory: N ms ok',
  ]);
});

test('LoggedStore logs the reason of a failure', async () => {
  const lines: string[] = [];
  const error = new VarveError('storage', 'connection reset', { retryable: true });
  const faulty = new FaultyStore(new MemoryStore(), () => ({ when: 'before', error }));
  const store = new LoggedStore(faulty, (line) => lines.push(line));
  await assert.rejects(store.now());
  await assert.rejects(names(store, 'index'));
  assert.equal(lines.length, 2);
  for (const line of lines) assert.match(line, / ms storage, retryable: connection reset$/);
});
