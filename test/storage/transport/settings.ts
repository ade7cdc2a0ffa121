import { RETRY_SECONDS, STUCK_SECONDS, type StoreSettings } from '../../../src/storage/settings.js';

/** Settings as the command line makes them when nothing is given. */
export function settings(given: Partial<StoreSettings> = {}): StoreSettings {
  return {
    environment: process.env,
    extended: new Map(),
    idleTimeoutSeconds: STUCK_SECONDS,
    retrySeconds: RETRY_SECONDS,
    ...given,
  };
}
