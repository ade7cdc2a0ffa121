import { join } from 'node:path';
import { after } from 'node:test';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { MemoryStore } from '../../src/storage/memory/memory-store.js';
import { openStore } from '../../src/storage/open-store.js';
import { IDLE_TIMEOUT_SECONDS, RETRY_SECONDS } from '../../src/storage/settings.js';
import type { Store } from '../../src/storage/store.js';
import { STORE_KINDS, type Way } from './store-kinds.js';

/** The kind of store that $VARVE_TEST_STORE names: the same tests run over any. */
const asked = process.env.VARVE_TEST_STORE || undefined;
const known = STORE_KINDS[asked ?? 'local'];
if (known === undefined)
  throw new Error(`VARVE_TEST_STORE: ${asked} is none of ${Object.keys(STORE_KINDS).join(', ')}`);

const kind = await known();
const opened: Store[] = [];
const inMemory = new Map<string, MemoryStore>();
const way = await reach();

/** A server that somebody else has started, in the words of $VARVE_TEST_WAY, or one for this process alone. */
async function reach(): Promise<Way> {
  const given = process.env.VARVE_TEST_WAY;
  const served = given ? undefined : await kind.start();
  if (asked !== undefined && asked !== 'local')
    after(async () => {
      await Promise.all(opened.map((store) => store.close()));
      await served?.stop();
    });
  return served ?? (JSON.parse(given as string) as Way);
}

/** For tests of what only a directory that nobody serves has: why they are left out. */
export const NEEDS_LOCAL = (asked ?? 'local') !== 'local' && `${asked} is no directory of this machine`;
/** For tests that start the command line. */
export const NEEDS_PROCESSES = asked === 'memory' && 'memory is of one process';

/** A repository's place, for the command line. @param directory where it is when it is in files */
export const testPlace = (directory: string): string =>
  `${way.before}${way.root === undefined ? directory : oneName(directory)}${way.after}`;
const oneName = (directory: string): string => directory.slice(1).replaceAll('/', '-');

export const testEnvironment: Readonly<Record<string, string>> = way.environment;
export const testArguments: readonly string[] = Object.entries(way.extended).flatMap(([name, value]) => [
  '-o',
  `${name}=${value}`,
]);

/**
 * @param directory where the repository is when it is in files
 * @param unasked what it is where $VARVE_TEST_STORE does not say
 */
export async function openTestStore(directory: string, unasked: 'local' | 'memory' = 'local'): Promise<Store> {
  const name = asked ?? unasked;
  if (name === 'local') return new LocalStore(directory);
  if (name === 'memory') {
    const store = inMemory.get(directory) ?? new MemoryStore();
    inMemory.set(directory, store);
    return store;
  }
  const store = await openStore(testPlace(directory), {
    environment: { ...process.env, ...way.environment },
    extended: new Map(Object.entries(way.extended)),
    idleTimeoutSeconds: IDLE_TIMEOUT_SECONDS,
    retrySeconds: RETRY_SECONDS,
  });
  opened.push(store);
  return store;
}

/** What the objects of a repository are kept in, past whoever serves them. @param directory as for openTestStore */
export async function openBeneath(directory: string): Promise<Store> {
  const files = way.root === undefined ? directory : join(way.root, oneName(directory));
  return inMemory.get(directory) ?? (kind.hasFiles ? new LocalStore(files) : openTestStore(directory));
}
