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
/** Seconds of random reading; `VARVE_MOUNT_SECONDS=120` runs the long test. */
const SECONDS = Number(process.env.VARVE_MOUNT_SECONDS ?? 6);
const MIB = 2 ** 20;
const FILE_MIB = 96;
/** The longest that a read may take, in ms. */
const LONGEST = 5_000;
/** MiB of cached contents, and of other memory with Node 20. Node 24 takes 12 MiB more in an idle mount and 20 to 30 in a busy one. */
const [CACHE_MIB, BESIDE_MIB] = [64, process.versions.node.startsWith('20.') ? 150 : 180];
/** The share of the store's throughput that a sequential reader must get. */
const SHARE = 0.6;

/** Reads 4 KiB at random offsets, past the kernel's cache, until the time is over. Prints the number of reads, the longest in ms, and how many were wrong. */
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

test('mount serves random readers in time and a sequential reader at most of the speed when the store is slow', {
  skip: NO_FUSE,
  timeout: 120_000 + SECONDS * 2000,
}, async (t) => {
  const play = new Playground();
  const content = randomBytes(FILE_MIB * MIB);
  // A third of it compresses, so its frames are decoded as a whole.
  Buffer.from('a line that comes again and again\n'.repeat((32 * MIB) / 34)).copy(content, 0);
  const source = play.files('source', { large: content });
  await play.ok(['init']);
  await play.backup(source);
  const server = await startVarveServe(play.directory, undefined);
  const network = await startBadNetwork(server.host, { seed: 1, rate: 0, latency: LATENCY });
  const location = `rest:http://${network.host}/repo`;
  try {
    await readAtRandom(t, play, location, source);
    await readInOrder(t, play, location, source);
  } finally {
    await network.stop();
    await server.stop();
  }
});

async function readAtRandom(t: TestContext, play: Playground, location: string, source: string): Promise<void> {
  const mount = await startMount(play, 'mnt', ['--repo', location, '--cache-size', `${CACHE_MIB}M`]);
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
    assert.equal(mount.stderr(), '');
  } finally {
    await mount.stop();
  }
}

async function readInOrder(t: TestContext, play: Playground, location: string, source: string): Promise<void> {
  const own = await throughput(location, play);
  const mount = await startMount(play, 'again', ['--repo', location, '--cache-size', `${CACHE_MIB}M`]);
  try {
    const began = performance.now();
    const path = join(mount.path, 'snapshots/latest', source, 'large');
    const { code, err } = await outcome(spawn('sh', ['-c', `cat "${path}" | cmp - "${source}/large"`]));
    const sequential = FILE_MIB / ((performance.now() - began) / 1000);
    assert.equal(code, 0, err);
    // Compressed data are fewer bytes on the network: count those that were sent.
    const sent = sequential * (2 / 3);
    t.diagnostic(`${Math.round(sequential)} MiB/s of the file, ${Math.round(own)} MiB/s of the store`);
    assert.ok(sent >= SHARE * own, `${sent} MiB/s of ${own}`);
  } finally {
    await mount.stop();
  }
}

/** MiB a second that the store gives when only packs are requested, with all its connections. */
async function throughput(location: string, { env }: Playground): Promise<number> {
  const store = await openStore(location, {
    environment: env,
    extended: new Map(),
    idleTimeoutSeconds: 60,
    retrySeconds: 60,
  });
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
