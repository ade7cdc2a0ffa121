import { setMaxListeners } from 'node:events';
import type { StoreSettings } from '../settings.js';
import type { Store } from '../store.js';
import { type Clock, systemClock } from './clock.js';
import { LimitedStore } from './limited.js';
import { LoggedStore } from './logged.js';
import { Retrier } from './retrier.js';
import { RetryingStore } from './retrying.js';

/** Concurrent requests to a store without a default of its own. */
const CONNECTIONS = 5;

/**
 * Opens a remote store with its guards, from the outside in: retries, a limit of concurrent requests (lower while they fail), a log line
 * for each request. A request that waits for its retry does not count against the limit.
 *
 * @param location the location for messages before the store is open, without secrets
 */
export async function openGuarded(
  location: string,
  open: (settings: StoreSettings) => Promise<Store>,
  settings: StoreSettings,
  clock: Clock = systemClock,
): Promise<Store> {
  // Node would treat more than ten listeners as a leak and warn.
  if (settings.signal !== undefined) setMaxListeners(0, settings.signal);
  const retrier = new Retrier(settings, clock);
  const store = await retrier.run(location, () => open(settingsForTries(settings, retrier)), false);
  const logged = settings.onDebug === undefined ? store : new LoggedStore(store, settings.onDebug);
  const limited = new LimitedStore(logged, settings.connections ?? store.connections ?? CONNECTIONS);
  return new RetryingStore(limited, retrier);
}

/**
 * Getters, because each request needs the current values. After an interruption running requests end, but new ones are still made: a backup
 * then lists what it has stored and removes its lease. And the idle timeout of a request must not exceed the time for its retries.
 */
function settingsForTries(settings: StoreSettings, retrier: Retrier): StoreSettings {
  const { signal, idleTimeoutSeconds } = settings;
  return Object.defineProperties(
    { ...settings },
    {
      signal: { get: () => (signal?.aborted === true ? undefined : signal), enumerable: true },
      idleTimeoutSeconds: { get: () => retrier.idleTimeout(idleTimeoutSeconds), enumerable: true },
    },
  );
}
