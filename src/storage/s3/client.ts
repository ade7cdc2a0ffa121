// Makes the SDK's client from location, options and environment.
// requests.ts makes the requests.
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { StoreSettings } from '../settings.js';
import { type Agents, agentsFor } from '../transport/agents.js';
import { ServerClock } from '../transport/server-clock.js';
import { isAmazon, type S3Location } from './location.js';
import type { S3Options } from './options.js';

/** The usual name of the region on servers other than Amazon's. */
const DEFAULT_REGION = 'us-east-1';
const CONNECT_SECONDS = 30;
/** Stands for all names of Amazon's servers when NO_PROXY is read. */
const AMAZON = 'https://s3.amazonaws.com/';

/** The SDK's client, with settings and values that the SDK does not expose. */
export interface Connection {
  readonly client: S3Client;
  /** "host:port", or Amazon's name. */
  readonly server: string;
  readonly amazon: boolean;
  /** The server's clock, by its last answer. */
  readonly clock: ServerClock;
  /** Signs later requests for another region. @returns false when the user chose the region */
  switchRegion(region: string): boolean;
  /** Sets the idle timeout of later requests. */
  setIdleTimeout(seconds: number): void;
  close(): void;
}

/** @throws VarveError `usage` when a certificate cannot be read */
export function connect(
  location: S3Location,
  options: S3Options,
  settings: StoreSettings,
  connections: number,
): Connection {
  const { environment } = settings;
  const endpoint = location.endpoint ?? (environment.AWS_ENDPOINT_URL_S3 || environment.AWS_ENDPOINT_URL || undefined);
  const amazon = isAmazon(endpoint);
  const chosenRegion = options.region ?? (environment.AWS_REGION || environment.AWS_DEFAULT_REGION || undefined);
  const agents = agentsFor(settings, connections, endpoint ?? AMAZON);
  let idleTimeout = settings.idleTimeoutSeconds;
  let region = chosenRegion ?? location.region ?? (amazon ? undefined : DEFAULT_REGION);
  const client = new S3Client({
    region: async () => {
      region ??= await configuredRegion(environment.AWS_PROFILE);
      return region;
    },
    ...(endpoint !== undefined && { endpoint }),
    ...credentialsOf(environment),
    forcePathStyle: options.bucketLookup === 'auto' ? !amazon : options.bucketLookup === 'path',
    requestHandler: handlerOptions(agents, idleTimeout),
    // The guards retry, and report it.
    maxAttempts: 1,
    // Many servers refuse the SDK's own checksums, or store them as data. The signature covers the body's SHA-256.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Each upload would wait for seconds on servers that do not support it.
    expectContinueHeader: false,
    logger: SILENT,
  });
  if (settings.userAgent !== undefined) setUserAgent(client, settings.userAgent);
  return {
    client,
    clock: clockOf(client),
    server: endpoint === undefined ? 'Amazon S3' : new URL(endpoint).host,
    amazon,
    switchRegion(to) {
      if (chosenRegion !== undefined || to === region) return false;
      region = to;
      return true;
    },
    setIdleTimeout(seconds) {
      if (seconds === idleTimeout) return;
      idleTimeout = seconds;
      const requestHandler = client.config.requestHandler as unknown as Configurable;
      requestHandler.updateHttpClientConfig('socketTimeout', seconds * 1000);
      requestHandler.updateHttpClientConfig('connectionTimeout', connectionTimeout(seconds));
    },
    close() {
      client.destroy();
      agents.close();
    },
  };
}

function setUserAgent(client: S3Client, userAgent: string): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      headers['user-agent'] = userAgent;
      delete headers['x-amz-user-agent'];
      return next(args);
    },
    // After the SDK's own, before the request is signed.
    { step: 'build', priority: 'low', name: 'varveUserAgent' },
  );
}

function clockOf(client: S3Client): ServerClock {
  const clock = new ServerClock();
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      clock.note((result.response as { headers?: Record<string, string> }).headers?.['date']);
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'varveClock' },
  );
  return clock;
}

/** The SDK's handler for Node has this method; its types lack it. */
interface Configurable {
  updateHttpClientConfig(key: 'socketTimeout' | 'connectionTimeout', milliseconds: number): void;
}

const connectionTimeout = (idleTimeout: number): number => Math.min(idleTimeout, CONNECT_SECONDS) * 1000;

function handlerOptions(agents: Agents, idleTimeout: number): NonNullable<S3ClientConfig['requestHandler']> {
  return {
    httpAgent: agents.http,
    httpsAgent: agents.https,
    connectionTimeout: connectionTimeout(idleTimeout),
    socketTimeout: idleTimeout * 1000,
    logger: SILENT,
  };
}

/** The keys of the environment. Without them the SDK searches files, roles and single sign-on. */
function credentialsOf(environment: StoreSettings['environment']): Pick<S3ClientConfig, 'credentials' | 'profile'> {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_PROFILE: profile } = environment;
  if (profile) return { profile };
  if (!accessKeyId || !secretAccessKey) return {};
  const sessionToken = environment.AWS_SESSION_TOKEN || undefined;
  return { credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) } };
}

/** The advice when neither the environment nor the SDK has keys. */
export function missingKeys(environment: StoreSettings['environment']): string {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_PROFILE: profile } = environment;
  if (profile) return `AWS_PROFILE=${profile}: there are no keys for S3 in that profile, or no such profile in ~/.aws`;
  if (id && !secret) return 'AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not: S3 needs both';
  if (secret && !id) return 'AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not: S3 needs both';
  return 'no keys for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE';
}

/** The region of the shared files. */
async function configuredRegion(profile: string | undefined): Promise<string> {
  const client = new S3Client(profile ? { profile } : {});
  try {
    return await client.config.region();
  } catch {
    return DEFAULT_REGION;
  } finally {
    client.destroy();
  }
}

const nothing = (): void => undefined;
const SILENT = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };
