import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { Playground } from './varve.js';

const place = new Playground();
const source = place.files('source', { same: 'same', changed: 'one', 'gone/inner': 'gone', mode: 'mode' });
const ODD = Buffer.from(`${source}/odd\xff\n`, 'latin1');
let first = '';
let second = '';

before(async () => {
  await place.ok(['init']);
  first = await place.backup(source);
  writeFileSync(`${source}/changed`, 'two!');
  rmSync(`${source}/gone`, { recursive: true });
  writeFileSync(ODD, 'odd');
  writeFileSync(`${source}/mode`, 'mode');
  second = await place.backup(source);
});

test('diff as text', async () => {
  const { out } = await place.ok(['diff', first.slice(0, 10), 'latest']);
  const { bytes, trees } = await sizes();
  assert.deepEqual(out.split('\n'), [
    `comparing snapshot ${first.slice(0, 8)} to ${second.slice(0, 8)}:`,
    '',
    `M    ${source}/changed`,
    `-    ${source}/gone/`,
    `-    ${source}/gone/inner`,
    `+    "${source}/odd\\xff\\n"`,
    '',
    'Files:           1 new,     1 removed,     1 changed',
    'Dirs:            0 new,     1 removed',
    'Others:          0 new,     0 removed',
    'Data Blobs:      2 new,     2 removed',
    `Tree Blobs:  ${trees.map((count) => String(count).padStart(5)).join(' new, ')} removed`,
    `  Added:   ${bytes[0]}`,
    `  Removed: ${bytes[1]}`,
    '',
  ]);
});

interface Counts {
  readonly data_blobs: number;
  readonly tree_blobs: number;
  readonly bytes: number;
}

/** What only JSON says to the byte. */
async function sizes(): Promise<{ bytes: string[]; trees: number[] }> {
  const { added, removed } = await place.json<{ added: Counts; removed: Counts }>(['diff', first, second]);
  const text = ({ bytes }: Counts): string =>
    (bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(3)} KiB`).padEnd(5);
  return { bytes: [text(added), text(removed)], trees: [added.tree_blobs, removed.tree_blobs] };
}

test('diff --json has a line for each change, and the statistics', async () => {
  const lines = (await place.ok(['diff', '--json', first, second])).out.trimEnd().split('\n');
  const changes = lines.slice(0, -1).map((line) => JSON.parse(line) as Record<string, string>);
  assert.deepEqual(changes[0], { message_type: 'change', path: `${source}/changed`, modifier: 'M' });
  assert.deepEqual(changes[3], {
    message_type: 'change',
    path: `${source}/odd\ufffd\n`,
    path_raw: ODD.toString('base64'),
    modifier: '+',
  });
  const statistics = JSON.parse(lines.at(-1) ?? '') as { added: Counts };
  assert.ok(
    lines
      .at(-1)
      ?.startsWith(
        `{"message_type":"statistics","source_snapshot":"${first}","target_snapshot":"${second}","changed_files":1,"added":{"files":1,"dirs":0,"others":0,"data_blobs":2,"tree_blobs":`,
      ),
  );
  assert.ok(statistics.added.bytes > 7);
});

test('diff --metadata, folders of snapshots, and a snapshot with itself', async () => {
  const { out } = await place.ok(['diff', '-q', '--metadata', `${first}:${source}`, `${second}:${source}`]);
  assert.deepEqual(out.split('\n').slice(0, 6), [
    'M    /changed',
    '-    /gone/',
    '-    /gone/inner',
    'U    /mode',
    '+    "/odd\\xff\\n"',
    '',
  ]);
  assert.equal(
    (await place.ok(['diff', '-q', first, first, '--metadata'])).out.split('\n')[1]?.trim(),
    'Files:           0 new,     0 removed,     0 changed',
  );
});

test('what cannot be compared is refused, in words', async () => {
  const refused = async (message: RegExp, ...args: string[]): Promise<void> => {
    const { code, err } = await place.run(['diff', ...args]);
    assert.equal(code, 1, args.join(' '));
    assert.match(err, message);
  };
  await refused(/^Fatal: diff needs two snapshots, /, first);
  await refused(/which two snapshots\? |too many arguments/, first, second, second);
  await refused(/^Fatal: no snapshot matches "zz"/, first, 'zz');
  await refused(/^Fatal: \/nowhere: not in the snapshot$/m, `${first}:/nowhere`, second);
});

test('folders that cannot be read are named, and the exit code says so', async () => {
  const hurt = new Playground();
  await hurt.ok(['init']);
  const directory = hurt.files('source', { 'a/x': randomBytes(100), 'b/y': 'y' });
  const one = await hurt.backup(directory);
  hurt.files('source', { 'a/z': randomBytes(100) });
  const two = await hurt.backup(directory);
  const found = await hurt.json<{ path: string; pack: string }[]>([
    ...['find', '-s', two, '--show-pack-id', '--tree'],
    ...'0123456789abcdef',
  ]);
  const pack = found.find(({ path }) => path === `${directory}/a`)?.pack ?? '';
  const beneath = await hurt.beneath();
  await beneath.change('data', pack, (bytes) => bytes.subarray(0, Math.floor(bytes.length / 3)));
  for (const args of [
    ['diff', `${one}:${directory}`, `${two}:${directory}`],
    ['find', '-s', two, 'z'],
  ]) {
    const { code, err } = await hurt.run([...args, '--no-cache']);
    assert.equal(code, 1, args[0]);
    assert.match(err, new RegExp(`^(error|Fatal): .*data/${pack}`, 'm'));
    assert.doesNotMatch(err, /\n\s+at /);
  }
});
