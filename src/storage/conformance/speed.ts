// Measures the speed of a store.
// cli/commands/store/ prints it.
import { createHash } from 'node:crypto';
import type { Store } from '../store.js';
import { demand, listed, object, objects } from './subject.js';

/** Bytes of a pack. */
const PACK = 16 * 1024 * 1024;
/** Seconds for writing and reading packs. */
const SECONDS = 5;
const MOST_PACKS = 32;
/** Concurrent requests, for a store without a default. */
const CONNECTIONS = 4;
const NAMES = 100;
const ROUND_TRIPS = 5;

export interface Speed {
  /** Bytes per second of packs, with the store's number of concurrent requests. */
  readonly put: number;
  readonly get: number;
  /** Seconds of the fastest of a few small requests. */
  readonly roundTrip: number;
  /** Seconds for a listing of this many names. */
  readonly list: number;
  readonly names: number;
}

/**
 * Measures the speed of an empty store roughly. Its objects stay.
 *
 * @param packs the limit of packs to write and read
 */
export async function measureSpeed(store: Store, packs = MOST_PACKS): Promise<Speed> {
  const connections = store.connections ?? CONNECTIONS;
  const roundTrips: number[] = [];
  for (let i = 0; i < ROUND_TRIPS; i++) roundTrips.push(await timed(() => store.stat('config', 'config')));
  // Keeps only names: the packs would take half a GiB of memory.
  const put: string[] = [];
  const putting = await timed(() =>
    forAWhile(connections, packs, async () => {
      const pack = object(PACK);
      await store.put('data', pack.name, [pack.bytes]);
      put.push(pack.name);
    }),
  );
  let got = 0;
  const getting = await timed(() =>
    forAWhile(connections, packs, async () => {
      const name = put[got++ % put.length] as string;
      const bytes = await store.get('data', name);
      demand(createHash('sha256').update(bytes).digest('hex') === name, 'a pack changed between writing and reading');
    }),
  );
  const small = objects(NAMES, () => 100);
  await Promise.all(small.map(({ name, bytes }) => store.put('index', name, [bytes])));
  const list = await timed(() => listed(store, 'index'));
  return {
    put: (put.length * PACK) / putting,
    get: (got * PACK) / getting,
    roundTrip: Math.min(...roundTrips),
    list,
    names: NAMES,
  };
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await action();
  return (performance.now() - began) / 1000;
}

/** Repeats an action, several at once, and waits for those that have begun. */
async function forAWhile(atOnce: number, most: number, action: () => Promise<void>): Promise<void> {
  const end = performance.now() + SECONDS * 1000;
  let begun = 0;
  const one = async (): Promise<void> => {
    while (begun < most && (begun < atOnce || performance.now() < end)) {
      begun++;
      await action();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}
