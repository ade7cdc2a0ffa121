import { IDLE_TIMEOUT_SECONDS, RETRY_SECONDS, type StoreSettings } from '../../../src/storage/settings.js';

/** Settings as the command line makes them when nothing is given. */
export function settings(given: Partial<StoreSettings> = {}): StoreSettings {
  return {
    environment: process.env,
    extended: new Map(),
    idleTimeoutSeconds: IDLE_TIMEOUT_SECONDS,
    retrySeconds: RETRY_SECONDS,
    ...given,
  };
}
