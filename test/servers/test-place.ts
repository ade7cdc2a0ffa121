import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import { openStore } from '../../src/storage/open-store.js';
import { RETRY_SECONDS, STUCK_SECONDS } from '../../src/storage/settings.js';
import type { Store } from '../../src/storage/store.js';

/** How the repositories of tests are reached. */
interface Way {
  /** The place of what is, seen from the server, in a folder of this machine. */
  place(folder: string): string;
  readonly environment: Readonly<Record<string, string>>;
  /** Of `-o`. */
  readonly extended: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

const NOTHING = { environment: {}, extended: {} };

async function rest(start: () => Promise<{ readonly host: string; stop(): Promise<void> }>): Promise<Way> {
  const { host, stop } = await start();
  return { ...NOTHING, place: (folder) => `rest:http://${host}${folder}/`, stop };
}

/** Loaded when used: some are built first. Servers of the whole file system: so tests that damage files do so behind the server's back. S3 and memory have no files. */
const WAYS: Readonly<Record<string, () => Promise<Way>>> = {
  local: async () => ({ ...NOTHING, place: (folder) => folder, stop: async () => undefined }),
  memory: async () => ({ ...NOTHING, place: (folder) => folder, stop: async () => undefined }),
  serve: () => rest(async () => (await import('./varve-serve.js')).startVarveServe('/', undefined)),
  'rest-server': () => rest(async () => (await import('./rest-server.js')).startRestServer('/', undefined)),
  'rclone-serve': () => rest(async () => (await import('./rclone.js')).startRclone('/')),
  rclone: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'varve-rclone-'));
    writeFileSync(join(folder, 'rclone.conf'), '[disk]\ntype = local\n');
    return {
      ...NOTHING,
      place: (path) => `rclone:disk:${path}`,
      environment: { RCLONE_CONFIG: join(folder, 'rclone.conf') },
      stop: async () => rmSync(folder, { recursive: true }),
    };
  },
  sftp: async () => {
    const { startSshd } = await import('./sshd.js');
    const { clientConfig, stop } = await startSshd();
    return {
      ...NOTHING,
      place: (path) => `sftp:server:${path}`,
      extended: { 'sftp.args': `-F ${clientConfig}` },
      stop,
    };
  },
  s3: async () => {
    const { startCeph } = await import('./ceph.js');
    const { endpoint, user, stop } = await startCeph();
    const environment = { AWS_ACCESS_KEY_ID: user.accessKeyId, AWS_SECRET_ACCESS_KEY: user.secretAccessKey };
    return { ...NOTHING, place: (path) => `s3:${endpoint}/varve${path}`, environment, stop };
  },
};

/** What $VARVE_TEST_STORE says: the same tests run over any store. */
export const STORE_KIND = process.env.VARVE_TEST_STORE || 'local';
const start = WAYS[STORE_KIND];
if (start === undefined) throw new Error(`VARVE_TEST_STORE: ${STORE_KIND} is none of ${Object.keys(WAYS).join(', ')}`);
const way = await start();
const opened: Store[] = [];
const inMemory = new Map<string, MemoryStore>();
if (STORE_KIND !== 'local')
  after(async () => {
    await Promise.all(opened.map((store) => store.close()));
    await way.stop();
  });

/** For tests of what only a folder has. */
export const NEEDS_FILES = ['s3', 'memory'].includes(STORE_KIND) && `${STORE_KIND} has no files`;

/** A repository's place, for the command line. @param folder where it is when it is in files */
export const testPlace = (folder: string): string => way.place(folder);
export const testEnvironment: Readonly<Record<string, string>> = way.environment;
export const testArguments: readonly string[] = Object.entries(way.extended).flatMap(([name, value]) => [
  '-o',
  `${name}=${value}`,
]);

/** @param folder where the repository is when it is in files */
export async function openTestStore(folder: string): Promise<Store> {
  if (STORE_KIND === 'local') return new LocalStore(folder);
  if (STORE_KIND === 'memory') {
    const store = inMemory.get(folder) ?? new MemoryStore();
    inMemory.set(folder, store);
    return store;
  }
  const store = await openStore(way.place(folder), {
    environment: { ...process.env, ...way.environment },
    extended: new Map(Object.entries(way.extended)),
    stuckSeconds: STUCK_SECONDS,
    retrySeconds: RETRY_SECONDS,
  });
  opened.push(store);
  return store;
}
