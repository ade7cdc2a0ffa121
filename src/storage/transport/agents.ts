// Agents for http and https: certificates, proxies, limits.
// Requests are the stores'.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { systemReason, VarveError } from '../../errors/errors.js';
import type { StoreSettings } from '../settings.js';
import { PlainProxyAgent, proxyFor, TunnelAgent } from './proxy.js';
import { throttled, throttlesOf } from './throttle.js';

/** Agents that keep http and https connections open between requests. */
export interface Agents {
  readonly http: http.Agent;
  readonly https: https.Agent;
  /** Ends all connections. */
  close(): void;
}

type Connect = (options: net.NetConnectOpts & tls.ConnectionOptions) => net.Socket;

/**
 * @param connections the limit of connections
 * @param server its URL, to find a proxy in the environment; undefined for a local socket
 * @throws VarveError `usage` when a certificate cannot be read
 */
export function agentsFor(settings: StoreSettings, connections: number, server?: string): Agents {
  const options = {
    keepAlive: true,
    maxSockets: connections,
    maxFreeSockets: connections,
    scheduling: 'lifo' as const,
  };
  const certificates = certificatesOf(settings);
  const throttles = throttlesOf(settings);
  const proxy = server === undefined ? undefined : proxyFor(server);
  if (proxy !== undefined)
    return bothAgents(
      new PlainProxyAgent(proxy, options, throttles),
      new TunnelAgent(proxy, options, certificates, throttles) as unknown as https.Agent,
    );
  const plain = new http.Agent(options);
  const secure = new https.Agent({ ...options, ...certificates });
  if (throttles.upload !== undefined || throttles.download !== undefined) {
    const connect = (to: Parameters<Connect>[0]): net.Socket =>
      throttled(net.connect({ ...to, noDelay: true } as net.NetConnectOpts), throttles) as net.Socket;
    setConnect(plain, connect);
    setConnect(secure, (to) => {
      const connection = connect(to);
      return timedBy(connection, tls.connect({ ...to, ...certificates, socket: connection }));
    });
  }
  return bothAgents(plain, secure);
}

function bothAgents(plain: http.Agent, secure: https.Agent): Agents {
  return {
    http: plain,
    https: secure,
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}

/** Applies the timeout to the connection below TLS, because TLS does not see how the throttle delays bytes. */
function timedBy(connection: net.Socket, secure: tls.TLSSocket): tls.TLSSocket {
  connection.on('timeout', () => secure.emit('timeout'));
  return Object.assign(secure, {
    setTimeout(milliseconds: number, callback?: () => void) {
      connection.setTimeout(milliseconds);
      Object.assign(secure, { timeout: milliseconds });
      if (callback !== undefined) secure[milliseconds === 0 ? 'off' : 'once']('timeout', callback);
      return secure;
    },
  });
}

function setConnect(agent: http.Agent, connect: Connect): void {
  (agent as unknown as { createConnection: Connect }).createConnection = connect;
}

type Certificates = Pick<tls.ConnectionOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized'>;

function certificatesOf({ caCertificate, clientCertificate, insecureTls }: StoreSettings): Certificates {
  const trusted = (ca: Buffer): Certificates => {
    // OpenSSL would accept a file without certificates, and then trust no authority.
    new X509Certificate(ca);
    return { ca };
  };
  const own = (pem: Buffer): Certificates => ({ cert: pem, key: pem });
  return {
    ...(caCertificate !== undefined && readPem('--cacert', caCertificate, 'certificates', trusted)),
    ...(clientCertificate !== undefined &&
      readPem('--tls-client-cert', clientCertificate, 'a certificate and its private key without a password', own)),
    ...(insecureTls === true && { rejectUnauthorized: false }),
  };
}

/** Checks the file here, where the error can name it. */
function readPem(option: string, path: string, wanted: string, use: (pem: Buffer) => Certificates): Certificates {
  let pem: Buffer;
  try {
    pem = readFileSync(path);
  } catch (cause) {
    throw new VarveError('usage', `${option}: cannot read ${path}: ${systemReason(cause)}`, { cause });
  }
  try {
    const certificates = use(pem);
    tls.createSecureContext(certificates);
    return certificates;
  } catch (cause) {
    throw new VarveError('usage', `${option}: ${path} must have ${wanted}, as PEM: ${systemReason(cause)}`, { cause });
  }
}
