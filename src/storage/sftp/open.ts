import { VarveError } from '../../errors/errors.js';
import { refuseUnknown } from '../extended-options.js';
import type { StoreSettings } from '../settings.js';
import type { Store } from '../store.js';
import { throttlesOf } from '../transport/throttle.js';
import type { SftpClient } from './client.js';
import { connect } from './connection.js';
import { Connections } from './connections.js';
import { parseLocation } from './location.js';
import { SftpStore } from './sftp-store.js';

/** Concurrent requests. */
const REQUESTS = 5;

/**
 * Opens a repository. Connects at once, so that ssh's questions come before all others.
 *
 * @param rest the location after `sftp:`
 */
export async function openSftp(rest: string, settings: StoreSettings): Promise<Store> {
  const parsed = parseLocation(rest);
  refuseUnknown(settings.extended, 'sftp', ['command', 'args', 'connections']);
  const requests = requestsOf(settings);
  const location = `sftp:${rest}`;
  let asked = settings.extended.has('sftp.command');
  const throttles = throttlesOf(settings);
  const open = async (further: boolean, closed: AbortSignal): Promise<SftpClient> => {
    if (further && asked) throw new VarveError('denied', `${location}: a further connection might ask a question`);
    const signal = settings.signal === undefined ? closed : AbortSignal.any([settings.signal, closed]);
    const onTouch = (): void => {
      asked = true;
    };
    if (!further) settings.onAsking?.(true);
    try {
      return await connect(parsed, settings, { unasked: further, onTouch, signal, throttles });
    } finally {
      if (!further) settings.onAsking?.(false);
    }
  };
  const connections = new Connections(location, open, requests);
  await connections.use(async () => undefined);
  return new SftpStore(location, parsed.path, connections, requests);
}

function requestsOf({ extended, connections = REQUESTS }: StoreSettings): number {
  const given = extended.get('sftp.connections');
  if (given === undefined) return connections;
  if (!/^[1-9]\d{0,3}$/.test(given))
    throw new VarveError('usage', `-o sftp.connections=${given}: must be a number from 1`);
  return Number(given);
}
