import type { StoreSettings } from '../settings.js';
import type { Store } from '../store.js';
import { HttpTransport } from './http-transport.js';
import { parseLocation } from './location.js';
import { CONNECTIONS, RestStore } from './rest-store.js';

/** `rest:https://user:password@host:8000/directory/`. */
export async function openRest(rest: string, settings: StoreSettings): Promise<Store> {
  const parsed = parseLocation(rest, settings.environment);
  const transport = new HttpTransport(parsed, settings, settings.connections ?? CONNECTIONS);
  return new RestStore(parsed.location, transport, parsed.credentials);
}
