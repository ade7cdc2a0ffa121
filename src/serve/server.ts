// Starts and stops the server: sockets, TLS, the password file.
// Requests are left to handler.ts.

import { readFileSync, type Stats, statSync } from 'node:fs';
import { chmod, unlink } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { systemReason, VarveError } from '../errors/errors.js';
import type { AccessRules } from './access.js';
import type { Address } from './address.js';
import { Connections } from './connections.js';
import { Handler, type MetricsFor } from './handler.js';
import { parseHtpasswd, type Users } from './htpasswd.js';
import { Logins } from './logins.js';
import { Metrics } from './metrics.js';
import { PasswordVerifier } from './password-verifier.js';
import { Quota, type QuotaLimits } from './quota.js';
import { rateLimited } from './rate-limited.js';
import type { RequestRecord } from './request-log.js';
import { WatchedFile } from './watched-file.js';

export interface ServeOptions {
  /** The directory that is served. */
  readonly root: string;
  readonly address: Address;
  /** PEM files. */
  readonly tls?: { readonly certificate: string; readonly key: string } | undefined;
  /** htpasswd file; undefined when the server asks for no login. */
  readonly passwordFile?: string | undefined;
  readonly access: AccessRules;
  readonly quota: QuotaLimits;
  readonly verifyUploads: boolean;
  readonly metricsFor: MetricsFor;
  /** Milliseconds that the server waits for a client that hardly sends or receives anything. */
  readonly idleTimeout?: number;
  readonly onRequest?: ((record: RequestRecord) => void) | undefined;
  /** Called with what the administrator should know. */
  readonly onNotice: (text: string) => void;
}

/** The options of `varve serve` when none are given. */
export const SERVE_DEFAULTS = {
  address: { host: '127.0.0.1', port: 8000 },
  access: { privateRepositories: false, appendOnly: false, appendOnlyUsers: new Set<string>() },
  quota: { byUser: new Map<string, number>() },
  verifyUploads: true,
  metricsFor: 'none',
} as const satisfies Omit<ServeOptions, 'root' | 'onNotice'>;

export interface Server {
  /** `http://127.0.0.1:8000/`, or `unix:/run/varve.sock`. */
  readonly location: string;
  /** The number of users who can log in; undefined when the server asks for no login. */
  readonly users: number | undefined;
  /** Accepts no new connections, and gives running requests this many milliseconds to finish. */
  stop(milliseconds: number): Promise<void>;
}

const CLIENT_IDLE_TIMEOUT = 60_000;
const MAX_CONNECTIONS = 256;
const MAX_HEADERS = 8 * 1024;
const HEADERS_TIMEOUT = 20_000;
/** Milliseconds between checks for stalled connections. */
const CHECK_CONNECTIONS = 5000;
/** Longer than Go's clients keep idle connections, so that the server never closes one just as a request arrives. */
const KEEP_ALIVE_TIMEOUT = 120_000;

/** @throws VarveError `usage` when the options are not valid, `storage` when the server cannot listen on the address */
export async function serve(options: ServeOptions): Promise<Server> {
  const { root, passwordFile, onNotice } = options;
  requireDirectory(root);
  const users = passwordFile === undefined ? undefined : usersOf(passwordFile, onNotice);
  const quota = await Quota.of(root, options.quota);
  const state = { root, quota, metrics: new Metrics(), verifyUploads: options.verifyUploads };
  const verifier = new PasswordVerifier();
  const reportRefused = rateLimited(onNotice);
  const connections = new Connections(MAX_CONNECTIONS, () =>
    reportRefused(`all ${MAX_CONNECTIONS} connections are in use by clients that have logged in: refusing new ones`),
  );
  const handler = new Handler(state, {
    logins: users === undefined ? undefined : new Logins(() => users.value, verifier.isPassword),
    access: options.access,
    metricsFor: options.metricsFor,
    idleTimeout: options.idleTimeout ?? CLIENT_IDLE_TIMEOUT,
    onRequest: options.onRequest,
    onNotice,
    connections,
  });
  const server = makeServer(options);
  server.on('request', (request, response) => void handler.handle(request, response, false));
  server.on('checkContinue', (request, response) => void handler.handle(request, response, true));
  server.on('connection', (socket: net.Socket) => connections.add(socket));
  await listen(server, options.address);
  return {
    location: locationOf(server, options),
    users: users?.value.size,
    async stop(milliseconds) {
      handler.stopping = true;
      await closeServer(server, connections, milliseconds);
      await verifier.close();
    },
  };
}

function requireDirectory(root: string): void {
  let info: Stats | undefined;
  try {
    info = statSync(root, { throwIfNoEntry: false });
  } catch (cause) {
    throw new VarveError('storage', `--path ${root}: ${systemReason(cause)}`, { cause });
  }
  if (info?.isDirectory()) return;
  const what = info === undefined ? 'no such directory; is the disk mounted?' : 'is not a directory';
  throw new VarveError('usage', `--path ${root}: ${what}`);
}

function usersOf(path: string, onNotice: (text: string) => void): WatchedFile<Users> {
  const read = (): Users =>
    parseHtpasswd(readFileSync(path, 'utf8'), (user) =>
      onNotice(
        `${path}: the user ${JSON.stringify(user)} cannot log in: the password hash is neither bcrypt (htpasswd -B) nor {SHA}`,
      ),
    );
  try {
    return new WatchedFile([path], read, (cause) =>
      onNotice(`cannot read ${path}: ${systemReason(cause)}; the users read before stay valid`),
    );
  } catch (cause) {
    const advice = 'create it with `varve serve password USER`, or use --no-auth';
    throw new VarveError('usage', `cannot read the password file ${path}: ${systemReason(cause)}; ${advice}`, {
      cause,
    });
  }
}

/** HTTP/2 is not offered: all streams of a client would share one window, which slows down bodies of many MiB. */
function makeServer({ tls, onNotice }: ServeOptions): http.Server | https.Server {
  const settings: http.ServerOptions & https.ServerOptions = {
    maxHeaderSize: MAX_HEADERS,
    headersTimeout: HEADERS_TIMEOUT,
    handshakeTimeout: HEADERS_TIMEOUT,
    // SlowClientGuard watches bodies instead: a large one may take long.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
    connectionsCheckingInterval: CHECK_CONNECTIONS,
    noDelay: true,
  };
  const server = tls === undefined ? http.createServer(settings) : https.createServer(settings);
  if (tls !== undefined) certify(server as https.Server, tls.certificate, tls.key, onNotice);
  return server;
}

/** Sets the certificate, and sets it again whenever its files change. */
function certify(server: https.Server, certificate: string, key: string, onNotice: (text: string) => void): void {
  const read = (): void => server.setSecureContext({ cert: readFileSync(certificate), key: readFileSync(key) });
  const failed = (cause: unknown): string =>
    `cannot use the certificate ${certificate} with the key ${key}: ${systemReason(cause)}`;
  try {
    const context = new WatchedFile([certificate, key], read, (cause) =>
      onNotice(`${failed(cause)}; the previous certificate stays in use`),
    );
    // Before the TLS handshake.
    server.prependListener('connection', () => context.value);
  } catch (cause) {
    throw new VarveError('usage', failed(cause), { cause });
  }
}

async function listen(server: net.Server, address: Address): Promise<void> {
  try {
    if ('socket' in address) {
      await removeStaleSocket(address.socket);
      await listening(server, { path: address.socket });
      // Connecting takes write permission; the group gets it.
      await chmod(address.socket, 0o660);
    } else await listening(server, { port: address.port, ...(address.host !== '' && { host: address.host }) });
  } catch (cause) {
    const where = 'socket' in address ? address.socket : `${address.host}:${address.port}`;
    throw new VarveError('storage', `cannot listen on ${where}: ${reasonNotToListen(cause)}`, { cause });
  }
}

function reasonNotToListen(cause: unknown): string {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'EADDRINUSE') return 'another program already listens there';
  if (code === 'EADDRNOTAVAIL') return 'this machine has no such address';
  return systemReason(cause);
}

function listening(server: net.Server, options: net.ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Removes the socket file of a server that was killed. */
async function removeStaleSocket(path: string): Promise<void> {
  if (statSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  const answered = await new Promise<boolean>((resolve) => {
    const socket = net.connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
  if (!answered) await unlink(path);
}

function locationOf(server: net.Server, { address, tls }: ServeOptions): string {
  if ('socket' in address) return `unix:${address.socket}`;
  const { port } = server.address() as AddressInfo;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${tls === undefined ? 'http' : 'https'}://${host === '' ? '[::]' : host}:${port}/`;
}

async function closeServer(server: http.Server, connections: Connections, milliseconds: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const late = setTimeout(() => connections.closeAll(), milliseconds);
  await closed;
  clearInterval(idle);
  clearTimeout(late);
}
