import { VarveError } from '../../errors/errors.js';
import type { StoreSettings } from '../settings.js';
import { startChild } from '../transport/child.js';
import { type End, SftpClient } from './client.js';
import { explainEnd } from './failures.js';
import { commandFor, type SftpPlace } from './place.js';

/** Milliseconds that a program whose output has ended gets to say why. */
const LAST_WORDS = 2000;
/** What ssh says when it waits for a finger. */
const TOUCH = /confirm user presence/i;

/**
 * Starts the program that carries SFTP, which ends with the connection.
 *
 * @throws VarveError that says why there is no connection
 */
export async function connect(place: SftpPlace, settings: StoreSettings): Promise<SftpClient> {
  const { stuckSeconds, signal } = settings;
  if (signal?.aborted) throw new VarveError('interrupted', 'interrupted');
  const command = commandFor(place, settings);
  const child = await startChild(command, settings, { asks: true, onLine: (line) => tell(line, settings) });
  const explain = async (end: End): Promise<VarveError> => {
    const code = end.malformed === undefined ? await within(LAST_WORDS, child.ended) : undefined;
    return explainEnd({ ...end, server: serverName(place), program: command[0], said: child.said(), code });
  };
  try {
    const client = await SftpClient.connect(child.stream, { stuckSeconds, signal, explain });
    void client.ended.then(() => child.close());
    return client;
  } catch (cause) {
    child.close();
    throw cause;
  }
}

/** As messages call the server. */
export function serverName({ user, host }: SftpPlace): string {
  return user === undefined ? host : `${user}@${host}`;
}

function tell(line: string, { onNotice, onDebug }: StoreSettings): void {
  if (TOUCH.test(line)) onNotice?.(line.trim());
  else onDebug?.(`ssh: ${line.trimEnd()}`);
}

async function within<T>(milliseconds: number, result: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  return Promise.race([result, late]).finally(() => clearTimeout(timer));
}
