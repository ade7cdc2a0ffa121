import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { after, before, mock, test } from 'node:test';
import { startServer } from '../serve/running.js';
import { startScripted } from '../servers/scripted.js';
import { WHOLE } from '../whole.js';
import { Playground } from './varve.js';

const place = new Playground();

/** The speed of a store is measured for ten seconds. In this process they are shorter. */
const SPEEDUP = WHOLE ? 1 : 20;
const now = performance.now.bind(performance);
before((): void => void mock.method(performance, 'now', () => now() * SPEEDUP));
after(() => mock.restoreAll());

test('a place that keeps the contract passes; nothing is left there', async () => {
  const directory = place.path('good');
  mkdirSync(directory);
  const { out, err } = await place.ok(['store', 'test', directory]);
  assert.match(out, /^testing .*good\/varve-store-test-[0-9a-f]{8}$/m);
  assert.match(out, /^ok {6}config is created once \(\d+\.\d s\)$/m);
  assert.match(out, /^put {5}\d.* [KMG]iB\/s$/m);
  assert.match(out, /^all \d+ checks passed: this location can hold a repository$/m);
  assert.equal(err, '');
  assert.deepEqual(readdirSync(directory), []);
});

test('on a server that needs a password, with --json; the password is nowhere', async () => {
  const { port, root } = await startServer({ users: { anna: 'verysecret' } });
  const result = await place.ok([
    'store',
    'test',
    `rest:http://anna:verysecret@127.0.0.1:${port}/anna`,
    '--json',
    '--debug',
  ]);
  const lines = result.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const summary = lines.pop();
  assert.equal(summary.message_type, 'summary');
  assert.equal(summary.checks, lines.length);
  assert.equal(summary.failed, 0);
  assert.ok(summary.put_bytes_per_second > 0);
  for (const { message_type, ok, what } of lines) assert.ok(message_type === 'check' && ok === true, what);
  assert.ok(!(result.out + result.err).includes('verysecret'));
  assert.match(result.err, /"message":"\S+Z put {5}data\/[0-9a-f]{64} \d+ B/);
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  assert.deepEqual(
    files.map(({ name }) => name),
    ['.htpasswd'],
  );
});

test('a place that does not is told, check by check; the exit code is 1', async () => {
  // Takes everything, and has nothing.
  const server = await startScripted((request, response) => {
    response.statusCode = request.method === 'GET' || request.method === 'HEAD' ? 404 : 200;
    request.resume().on('end', () => response.end());
  });
  try {
    const { code, out } = await place.run(['store', 'test', `rest:http://${server.host}/`, '--retry-for', '0']);
    assert.equal(code, 1);
    assert.match(out, /^ok {6}an empty location has no objects/m);
    assert.match(out, /^FAILED {2}every client can read a new object, in every namespace\n {8}.*data|keys/m);
    assert.match(out, /^FAILED {2}packs can be written and read for some seconds/m);
    assert.match(out, /^\d+ of \d+ checks failed: docs\/stores\.md explains each$/m);
  } finally {
    await server.stop();
  }
});

test('a place that has a repository is refused, and one that cannot be reached', async () => {
  await place.ok(['init']);
  const before = readdirSync(place.path('repo'));
  const refused = await place.run(['store', 'test', place.path('repo')]);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /^Fatal: .*repo: this is a repository: give the directory above it/);
  assert.deepEqual(readdirSync(place.path('repo')), before);
  const gone = await place.run(['store', 'test', 'rest:http://127.0.0.1:1/', '--retry-for', '0']);
  assert.equal(gone.code, 1);
  assert.match(gone.err, /^Fatal: .*refused/);
  assert.match((await place.run(['store', 'test'])).err, /missing required argument 'location'/);
});
