import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openStore } from '../../src/storage/open-store.js';
import { outcome, Playground } from '../cli/varve.js';
import { startBadNetwork } from '../servers/bad-network.js';
import { peakMemory } from '../servers/peak-memory.js';
import { startVarveServe } from '../servers/varve-serve.js';
import { NO_FUSE, startMount } from './fuse.js';

const LATENCY = 50;
const READERS = 20;
/** Seconds of random reading; `VARVE_MOUNT_SECONDS=120` is the whole of it. */
const SECONDS = Number(process.env.VARVE_MOUNT_SECONDS ?? 6);
const MIB = 2 ** 20;
const FILE_MIB = 96;
/** Milliseconds of the longest read. */
const LONGEST = 5_000;
/** Of contents that are kept, and of memory besides, with Node 20. Later ones take more themselves: Node 24 has 12 MiB more in an idle mount, 20 to 30 in a busy one. */
const [CACHE_MIB, BESIDE_MIB] = [64, process.versions.node.startsWith('20.') ? 150 : 180];
/** Of what the store gives, a reader from beginning to end gets so much. */
const SHARE = 0.6;

/** Reads 4 KiB at random places until the time is over, none of it from the kernel's cache; prints how many, the longest in ms, and how many were wrong. */
const READER = `import os, random, sys, time
path, original, seconds, seed = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
f, o, r = os.open(path, os.O_RDONLY), os.open(original, os.O_RDONLY), random.Random(seed)
pages, count, longest, wrong, end = os.fstat(f).st_size // 4096, 0, 0, 0, time.time() + seconds
while time.time() < end:
    at = r.randrange(pages) * 4096
    began = time.time()
    got = os.pread(f, 4096, at)
    longest = max(longest, time.time() - began)
    os.posix_fadvise(f, 0, 0, os.POSIX_FADV_DONTNEED)
    count += 1
    wrong += got != os.pread(o, 4096, at)
print(count, longest * 1000, wrong)`;

test('many readers of a slow store get what they ask for in time, and one that reads all gets most of what the store gives', {
  skip: NO_FUSE,
  timeout: 120_000 + SECONDS * 2000,
}, async (t) => {
  const play = new Playground();
  const content = randomBytes(FILE_MIB * MIB);
  // A third of it compresses, and is opened as whole frames.
  Buffer.from('a line that comes again and again\n'.repeat((32 * MIB) / 34)).copy(content, 0);
  const source = play.files('source', { large: content });
  await play.ok(['init']);
  await play.backup(source);
  const server = await startVarveServe(play.directory, undefined);
  const network = await startBadNetwork(server.host, { seed: 1, rate: 0, latency: LATENCY });
  const place = `rest:http://${network.host}/repo`;
  try {
    await readAtRandom(t, play, place, source);
    await readInOrder(t, play, place, source);
  } finally {
    await network.stop();
    await server.stop();
  }
});

async function readAtRandom(t: TestContext, play: Playground, place: string, source: string): Promise<void> {
  const mount = await startMount(play, 'mnt', ['--repo', place, '--cache-size', `${CACHE_MIB}M`]);
  try {
    const path = join(mount.path, 'snapshots/latest', source, 'large');
    const readers = Array.from({ length: READERS }, (_, seed) =>
      outcome(spawn('python3', ['-c', READER, path, join(source, 'large'), String(SECONDS), String(seed)])),
    );
    const figures = (await Promise.all(readers)).map(({ code, out, err }) => {
      assert.equal(code, 0, err);
      return out.trim().split(' ').map(Number) as [number, number, number];
    });
    const reads = figures.reduce((sum, [count]) => sum + count, 0);
    const longest = Math.max(...figures.map(([, each]) => each));
    const memory = peakMemory(mount.child.pid) / MIB;
    t.diagnostic(`${reads} reads, the longest ${Math.round(longest)} ms; ${Math.round(memory)} MiB`);
    for (const [count, , wrong] of figures) assert.ok(count > 0 && wrong === 0);
    assert.ok(longest < LONGEST, `${longest} ms`);
    assert.ok(memory < CACHE_MIB + BESIDE_MIB, `${memory} MiB`);
    assert.equal(mount.said(), '');
  } finally {
    await mount.stop();
  }
}

async function readInOrder(t: TestContext, play: Playground, place: string, source: string): Promise<void> {
  const own = await throughput(place, play);
  const mount = await startMount(play, 'again', ['--repo', place, '--cache-size', `${CACHE_MIB}M`]);
  try {
    const began = performance.now();
    const path = join(mount.path, 'snapshots/latest', source, 'large');
    const { code, err } = await outcome(spawn('sh', ['-c', `cat "${path}" | cmp - "${source}/large"`]));
    const sequential = FILE_MIB / ((performance.now() - began) / 1000);
    assert.equal(code, 0, err);
    // What is compressed is less on its way: what was sent counts.
    const sent = sequential * (2 / 3);
    t.diagnostic(`${Math.round(sequential)} MiB/s of the file, ${Math.round(own)} MiB/s of the store`);
    assert.ok(sent >= SHARE * own, `${sent} MiB/s of ${own}`);
  } finally {
    await mount.stop();
  }
}

/** MiB a second that the store gives who asks for packs only, as many at a time as it takes. */
async function throughput(place: string, { env }: Playground): Promise<number> {
  const store = await openStore(place, { environment: env, extended: new Map(), stuckSeconds: 60, retrySeconds: 60 });
  const packs: { name: string; size: number }[] = [];
  for await (const info of store.list('data')) packs.push(info);
  const began = performance.now();
  let bytes = 0;
  const lane = async (): Promise<void> => {
    for (let pack = packs.pop(); pack !== undefined; pack = packs.pop()) {
      bytes += (await store.get('data', pack.name)).length;
    }
  };
  await Promise.all(Array.from({ length: store.connections ?? 4 }, lane));
  await store.close();
  return bytes / MIB / ((performance.now() - began) / 1000);
}
