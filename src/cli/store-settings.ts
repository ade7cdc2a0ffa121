import { RETRY_SECONDS, STUCK_SECONDS, type StoreSettings } from '../storage/settings.js';
import type { Context } from './shell.js';

/** How stores are reached, as the options and the environment say. */
export function storeSettings({ environment, signal, output }: Context): StoreSettings {
  return {
    environment,
    extended: new Map(),
    stuckSeconds: STUCK_SECONDS,
    retrySeconds: RETRY_SECONDS,
    onNotice: (text) => output.warn(text),
    signal,
  };
}
