import { readFileSync, type Stats, statSync } from 'node:fs';
import { chmod, unlink } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { systemReason, VarveError } from '../errors/errors.js';
import type { AccessRules } from './access.js';
import type { Address } from './address.js';
import { Comparer } from './comparer.js';
import { Connections } from './connections.js';
import { Handler, type MetricsFor } from './handler.js';
import { parseHtpasswd, type Users } from './htpasswd.js';
import { Logins } from './logins.js';
import { Metrics } from './metrics.js';
import { Quota, type QuotaLimits } from './quota.js';
import { Reloaded } from './reloaded.js';
import type { Told } from './request-log.js';
import { seldom } from './seldom.js';

export interface ServeOptions {
  /** The directory that is served. */
  readonly root: string;
  readonly address: Address;
  /** PEM files. */
  readonly tls?: { readonly certificate: string; readonly key: string } | undefined;
  /** Users and their passwords; undefined when nobody logs in. */
  readonly passwordFile?: string | undefined;
  readonly access: AccessRules;
  readonly quota: QuotaLimits;
  readonly verifyUploads: boolean;
  readonly metricsFor: MetricsFor;
  /** Milliseconds that the server waits for a client that hardly moves. */
  readonly patience?: number;
  readonly onRequest?: ((told: Told) => void) | undefined;
  /** Told what the administrator should know. */
  readonly onNotice: (text: string) => void;
}

/** What `varve serve` does without options. */
export const SERVE_DEFAULTS = {
  address: { host: '127.0.0.1', port: 8000 },
  access: { privateRepositories: false, appendOnly: false, appendOnlyUsers: new Set<string>() },
  quota: { byUser: new Map<string, number>() },
  verifyUploads: true,
  metricsFor: 'nobody',
} as const satisfies Omit<ServeOptions, 'root' | 'onNotice'>;

export interface Server {
  /** `http://127.0.0.1:8000/`, or `unix:/run/varve.sock`. */
  readonly location: string;
  /** Users who may log in; undefined when nobody has to. */
  readonly users: number | undefined;
  /** Takes no new connections, and lets what runs come to its end, for some milliseconds. */
  stop(milliseconds: number): Promise<void>;
}

const PATIENCE = 60_000;
const MOST_CONNECTIONS = 256;
const LONGEST_HEADERS = 8 * 1024;
const HEADERS_TIMEOUT = 20_000;
/** Milliseconds between looks at connections that do not get on. */
const LOOK_AT_CONNECTIONS = 5000;
/** Longer than Go's clients keep idle ones: so it is never the server that ends one as a request comes. */
const IDLE_TIMEOUT = 120_000;

/** @throws VarveError `usage` when the options do not allow it, `storage` when the address cannot be had */
export async function serve(options: ServeOptions): Promise<Server> {
  const { root, passwordFile, onNotice } = options;
  requireDirectory(root);
  const users = passwordFile === undefined ? undefined : usersOf(passwordFile, onNotice);
  const quota = await Quota.of(root, options.quota);
  const room = { root, quota, metrics: new Metrics(), verifyUploads: options.verifyUploads };
  const comparer = new Comparer();
  const tellOfRefused = seldom(onNotice);
  const connections = new Connections(MOST_CONNECTIONS, () =>
    tellOfRefused(`more than ${MOST_CONNECTIONS} connections that have logged in: new ones are refused`),
  );
  const handler = new Handler(room, {
    logins: users === undefined ? undefined : new Logins(() => users.value, comparer.isPassword),
    access: options.access,
    metricsFor: options.metricsFor,
    patience: options.patience ?? PATIENCE,
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
      await comparer.close();
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
  const what = info === undefined ? 'there is no such directory; is the disk mounted?' : 'is not a directory';
  throw new VarveError('usage', `--path ${root}: ${what}`);
}

function usersOf(path: string, onNotice: (text: string) => void): Reloaded<Users> {
  const read = (): Users =>
    parseHtpasswd(readFileSync(path, 'utf8'), (user) =>
      onNotice(`${path}: the user ${JSON.stringify(user)} cannot log in: only bcrypt (htpasswd -B) and {SHA} are read`),
    );
  try {
    return new Reloaded([path], read, (cause) =>
      onNotice(`cannot read ${path}: ${systemReason(cause)}; who could log in before can go on`),
    );
  } catch (cause) {
    const advice = 'make it with `varve serve password USER`, or use --no-auth';
    throw new VarveError('usage', `cannot read the password file ${path}: ${systemReason(cause)}; ${advice}`, {
      cause,
    });
  }
}

/** HTTP/2 is not offered: all streams of a client would share one window, and bodies of many MiB come slower through it. */
function makeServer({ tls, onNotice }: ServeOptions): http.Server | https.Server {
  const settings: http.ServerOptions & https.ServerOptions = {
    maxHeaderSize: LONGEST_HEADERS,
    headersTimeout: HEADERS_TIMEOUT,
    handshakeTimeout: HEADERS_TIMEOUT,
    // How fast bodies come is watched in another way: a large one takes its time.
    requestTimeout: 0,
    keepAliveTimeout: IDLE_TIMEOUT,
    connectionsCheckingInterval: LOOK_AT_CONNECTIONS,
    noDelay: true,
  };
  const server = tls === undefined ? http.createServer(settings) : https.createServer(settings);
  if (tls !== undefined) certify(server as https.Server, tls.certificate, tls.key, onNotice);
  return server;
}

/** Gives the server its certificate, and each time that it is renewed. */
function certify(server: https.Server, certificate: string, key: string, onNotice: (text: string) => void): void {
  const read = (): void => server.setSecureContext({ cert: readFileSync(certificate), key: readFileSync(key) });
  const failed = (cause: unknown): string =>
    `cannot use the certificate ${certificate} with the key ${key}: ${systemReason(cause)}`;
  try {
    const context = new Reloaded([certificate, key], read, (cause) =>
      onNotice(`${failed(cause)}; the one before stays`),
    );
    // Before the handshake.
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
      // Its group may use it; a connection takes the permission to write.
      await chmod(address.socket, 0o660);
    } else await listening(server, { port: address.port, ...(address.host !== '' && { host: address.host }) });
  } catch (cause) {
    const place = 'socket' in address ? address.socket : `${address.host}:${address.port}`;
    throw new VarveError('storage', `cannot listen on ${place}: ${reasonNotToListen(cause)}`, { cause });
  }
}

function reasonNotToListen(cause: unknown): string {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'EADDRINUSE') return 'another program listens there';
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

/** One that a server which was killed has left. */
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
