// Starts ssh, or the user's command, and opens an SFTP session.
// connections.ts decides how many.
import { throwIfInterrupted, type VarveError } from '../../errors/errors.js';
import type { StoreSettings } from '../settings.js';
import { startChild } from '../transport/child.js';
import type { Throttles } from '../transport/throttle.js';
import { type End, SftpClient } from './client.js';
import { explainEnd } from './failures.js';
import { commandFor, type SftpLocation } from './location.js';

/** Milliseconds that a program has to report the reason after its output has ended. */
const LAST_WORDS = 2000;
/** ssh's message when it waits for a touch of a security key. */
const TOUCH = /confirm user presence/i;

export interface ConnectionOptions {
  /** Asks the user nothing: a connection that would need an answer fails. */
  readonly unasked: boolean;
  /** Called when ssh asked for a touch of a security key, to avoid more such connections. */
  readonly onTouch: () => void;
  readonly signal: AbortSignal;
  /** The throttles that all connections of the store share. */
  readonly throttles: Throttles;
}

/**
 * Starts the program that carries SFTP. It ends with the connection.
 *
 * @throws VarveError with the reason why there is no connection
 */
export async function connect(
  location: SftpLocation,
  settings: StoreSettings,
  { unasked, onTouch, signal, throttles }: ConnectionOptions,
): Promise<SftpClient> {
  const { onNotice, onDebug } = settings;
  throwIfInterrupted(signal);
  const command = commandFor(location, settings, unasked);
  const onLine = (line: string): void => {
    onDebug?.(`ssh: ${line.trimEnd()}`);
    if (!TOUCH.test(line)) return;
    onTouch();
    onNotice?.(line.trim());
  };
  const child = await startChild(command, settings, { kind: 'ssh', asks: true, throttles, onLine });
  const explain = async (end: End): Promise<VarveError> => {
    const code = end.malformed === undefined ? await within(LAST_WORDS, child.ended) : undefined;
    return explainEnd({
      ...end,
      server: serverName(location),
      login: loginCommand(location),
      program: command[0],
      said: child.said(),
      code,
    });
  };
  const options = {
    signal,
    explain,
    get idleTimeoutSeconds() {
      return settings.idleTimeoutSeconds;
    },
  };
  try {
    const client = await SftpClient.connect(child.stream, options);
    void client.ended.then(() => child.close());
    return client;
  } catch (cause) {
    child.close();
    throw cause;
  }
}

/** The server's name in messages. */
export function serverName({ user, host }: SftpLocation): string {
  return user === undefined ? host : `${user}@${host}`;
}

/** The command for a login by hand. */
function loginCommand(location: SftpLocation): string {
  return location.port === undefined
    ? `ssh ${serverName(location)}`
    : `ssh -p ${location.port} ${serverName(location)}`;
}

async function within<T>(milliseconds: number, result: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  return Promise.race([result, late]).finally(() => clearTimeout(timer));
}
