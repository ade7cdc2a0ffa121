import { setMaxListeners } from 'node:events';
import type { StoreSettings } from '../settings.js';
import type { Store } from '../store.js';
import { type Clock, systemClock } from './clock.js';
import { LimitedStore } from './limited.js';
import { LoggedStore } from './logged.js';
import { Retrier } from './retrier.js';
import { RetryingStore } from './retrying.js';

/** Requests at a time to a store that says nothing of it. */
const CONNECTIONS = 5;

/**
 * A remote store as varve uses it. From the outside in: what fails is tried again, so many requests at a time (fewer while they fail), a line for each. A request that
 * waits to be tried again keeps no other from its turn.
 *
 * @param place what is told of while it is not open yet, without secrets
 */
export async function openGuarded(
  place: string,
  open: (settings: StoreSettings) => Promise<Store>,
  settings: StoreSettings,
  clock: Clock = systemClock,
): Promise<Store> {
  // Node would take each request above ten that listens for a leak, and warn.
  if (settings.signal !== undefined) setMaxListeners(0, settings.signal);
  const retrier = new Retrier(settings, clock);
  const store = await retrier.run(place, () => open(settingsForTries(settings, retrier)), false);
  const logged = settings.onDebug === undefined ? store : new LoggedStore(store, settings.onDebug);
  const limited = new LimitedStore(logged, settings.connections ?? store.connections ?? CONNECTIONS);
  return new RetryingStore(limited, retrier);
}

/**
 * What changes meanwhile is looked at when a request is made. An interruption ends what is under way; what is asked for after it is done: a backup
 * then lists what it has stored, and removes its lease. And no request may stand still for longer than it would be tried again.
 */
function settingsForTries(settings: StoreSettings, retrier: Retrier): StoreSettings {
  const { signal, stuckSeconds } = settings;
  return Object.defineProperties(
    { ...settings },
    {
      signal: { get: () => (signal?.aborted === true ? undefined : signal), enumerable: true },
      stuckSeconds: { get: () => retrier.patience(stuckSeconds), enumerable: true },
    },
  );
}
