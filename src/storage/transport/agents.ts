import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { systemReason, VarveError } from '../../errors/errors.js';
import type { StoreSettings } from '../settings.js';
import { throttled, throttlesOf } from './throttle.js';

/** Connections for requests by http and https, kept open between them. */
export interface Agents {
  readonly http: http.Agent;
  readonly https: https.Agent;
  /** Ends all connections. */
  close(): void;
}

type Connect = (options: net.NetConnectOpts & tls.ConnectionOptions) => net.Socket;

/**
 * @param connections at most so many at a time
 * @throws VarveError `usage` when a certificate cannot be read
 */
export function agentsFor(settings: StoreSettings, connections: number): Agents {
  const options = {
    keepAlive: true,
    maxSockets: connections,
    maxFreeSockets: connections,
    scheduling: 'lifo' as const,
  };
  const certificates = {
    ...(settings.caCertificate !== undefined && { ca: readPem(settings.caCertificate, '--cacert') }),
    ...clientOf(settings),
    ...(settings.insecureTls === true && { rejectUnauthorized: false }),
  };
  const plain = new http.Agent(options);
  const secure = new https.Agent({ ...options, ...certificates });
  const throttles = throttlesOf(settings);
  if (throttles.upload !== undefined || throttles.download !== undefined) {
    const connect = (to: Parameters<Connect>[0]): net.Socket =>
      throttled(net.connect({ ...to, noDelay: true } as net.NetConnectOpts), throttles) as net.Socket;
    setConnect(plain, connect);
    setConnect(secure, (to) => tls.connect({ ...to, ...certificates, socket: connect(to) }));
  }
  return {
    http: plain,
    https: secure,
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}

function setConnect(agent: http.Agent, connect: Connect): void {
  (agent as unknown as { createConnection: Connect }).createConnection = connect;
}

function clientOf({ clientCertificate }: StoreSettings): { cert?: Buffer; key?: Buffer } {
  if (clientCertificate === undefined) return {};
  const pem = readPem(clientCertificate, '--tls-client-cert');
  return { cert: pem, key: pem };
}

function readPem(path: string, option: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new VarveError('usage', `${option}: cannot read ${path}: ${systemReason(cause)}`, { cause });
  }
}
