import type { StoreSettings } from '../settings.js';
import type { Store } from '../store.js';
import { connect } from './connection.js';
import { parsePlace } from './place.js';
import { SftpStore } from './sftp-store.js';

/** The repository at a place that `sftp:` is followed by. Connects, so that ssh asks what it has to ask before anything else does. */
export async function openSftp(rest: string, settings: StoreSettings): Promise<Store> {
  const place = parsePlace(rest);
  const store = new SftpStore(`sftp:${rest}`, place.path, () => connect(place, settings));
  await store.open();
  return store;
}
