import { VarveError } from '../../errors/errors.js';
import { IDLE_TIMEOUT_SECONDS, REFUSED_SECONDS, RETRY_SECONDS, type StoreSettings } from '../../storage/settings.js';
import { parseDuration } from '../../time/duration.js';
import type { Context } from '../program/shell.js';
import { debugLog } from '../terminal/debug-log.js';
import { lendTerminal } from '../terminal/prompt.js';
import { parseLockTerm } from '../text/lock-term.js';

const KIBIBYTE = 1024;
const MOST_CONNECTIONS = 1000;
/** Prefixes of the names in `-o`. */
const PROVIDERS = ['s3', 'sftp', 'rclone'];

/**
 * The settings of stores from the options and the environment.
 *
 * @throws VarveError `usage`
 */
export function storeSettings(context: Context): StoreSettings {
  const { globals, environment, signal, output } = context;
  const stuck = globals.stuckRequestTimeout;
  const idleTimeoutSeconds =
    stuck === undefined ? IDLE_TIMEOUT_SECONDS : parseDuration(stuck, '--stuck-request-timeout');
  if (idleTimeoutSeconds === 0) throw new VarveError('usage', '--stuck-request-timeout: must be a second or more');
  const warn = (text: string): void => {
    if (output.json) output.errorObject({ message_type: 'warning', message: text });
    else output.warn(text);
  };
  return {
    environment,
    extended: extendedOptions(globals.option ?? []),
    caCertificate: globals.cacert ?? (environment.VARVE_CACERT || undefined),
    clientCertificate: globals.tlsClientCert ?? (environment.VARVE_TLS_CLIENT_CERT || undefined),
    insecureTls: globals.insecureTls,
    userAgent: userAgentFrom(context),
    connections: parseConnections(globals.connections),
    uploadLimit: parseLimit(globals.limitUpload, '--limit-upload'),
    downloadLimit: parseLimit(globals.limitDownload, '--limit-download'),
    lockSeconds: lockTerm(context),
    idleTimeoutSeconds,
    ...retriesFrom(globals.retryFor),
    onNotice: (text) => {
      // A retry may succeed, and then a quiet run has nothing to report.
      if (output.json || output.verbosity > 0) warn(text);
    },
    onWarning: warn,
    onDebug: debugLog(context),
    onAsking: (asking) => {
      output.holdStatus(asking);
      lendTerminal(asking);
    },
    signal,
  };
}

function userAgentFrom({ globals, environment }: Context): string | undefined {
  const text = globals.httpUserAgent ?? (environment.VARVE_HTTP_USER_AGENT || undefined);
  if (text === undefined || /^[\x20-\x7e]+$/.test(text)) return text;
  throw new VarveError('usage', '--http-user-agent: only printable ASCII characters can be sent');
}

/** A time that the user gives also applies to refused connections. */
function retriesFrom(retryFor: string | undefined): Pick<StoreSettings, 'retrySeconds' | 'refusedSeconds'> {
  if (retryFor === undefined) return { retrySeconds: RETRY_SECONDS, refusedSeconds: REFUSED_SECONDS };
  return { retrySeconds: parseDuration(retryFor, '--retry-for') };
}

function lockTerm({ globals, environment }: Context): number | undefined {
  const text = globals.objectLock ?? (environment.VARVE_OBJECT_LOCK || undefined);
  return text === undefined ? undefined : parseLockTerm(text, '--object-lock');
}

/** Parses options such as `s3.storage-class=STANDARD_IA`. */
function extendedOptions(given: readonly string[]): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (const text of given) {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    // The message omits the value, which may be a secret.
    if (!PROVIDERS.some((provider) => name.startsWith(`${provider}.`)))
      throw new VarveError(
        'usage',
        `-o ${/^[^=\s]*/.exec(text)}: must be NAME=VALUE, with a name that begins with ${dotted()}`,
      );
    options.set(name, value);
  }
  return options;
}

const dotted = (): string => PROVIDERS.map((provider) => `${provider}.`).join(' or ');

function parseConnections(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= MOST_CONNECTIONS) return count;
  throw new VarveError('usage', `--connections: "${text}" is not a number from 1 to ${MOST_CONNECTIONS}`);
}

/** KiB a second as bytes a second; 0 is no limit, as with restic. */
function parseLimit(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new VarveError('usage', `${option}: "${text}" is not a number of KiB a second`);
  return Number(text) * KIBIBYTE || undefined;
}
