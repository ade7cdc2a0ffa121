/** Connections through a proxy from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY. */
import type http from 'node:http';
import type net from 'node:net';
import tls from 'node:tls';
import { HttpProxyAgent } from 'http-proxy-agent';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { getProxyForUrl } from 'proxy-from-env';
import { VarveError } from '../../errors/errors.js';
import { maskedLocation } from '../masked.js';
import { type Throttles, throttled } from './throttle.js';

/**
 * The proxy for a server; undefined for none.
 *
 * @throws VarveError `usage` for a proxy that is not an http or https URL
 */
export function proxyFor(server: string): string | undefined {
  const proxy = getProxyForUrl(server);
  if (proxy === '') return undefined;
  if (/^https?:\/\/[^/]/.test(proxy) && URL.canParse(proxy)) return proxy;
  throw new VarveError(
    'usage',
    `the proxy "${maskedLocation(proxy)}" (HTTP_PROXY, HTTPS_PROXY or ALL_PROXY) cannot be used: give one as http://HOST:PORT`,
  );
}

/** For servers without TLS. */
export class PlainProxyAgent extends HttpProxyAgent<string> {
  readonly #throttles: Throttles;

  constructor(proxy: string, options: http.AgentOptions, throttles: Throttles) {
    super(proxy, options);
    this.#throttles = throttles;
  }

  override async connect(...given: Parameters<HttpProxyAgent<string>['connect']>): Promise<net.Socket> {
    return throttled(await super.connect(...given), this.#throttles) as net.Socket;
  }
}

/** For servers with TLS: the proxy sees only their names. */
export class TunnelAgent extends HttpsProxyAgent<string> {
  readonly #certificates: tls.ConnectionOptions;
  readonly #throttles: Throttles;

  /** @param certificates for the server, not for the proxy */
  constructor(proxy: string, options: http.AgentOptions, certificates: tls.ConnectionOptions, throttles: Throttles) {
    super(proxy, options);
    this.#certificates = certificates;
    this.#throttles = throttles;
  }

  override async connect(
    request: http.ClientRequest,
    options: Parameters<HttpsProxyAgent<string>['connect']>[1],
  ): Promise<net.Socket> {
    const { host = '' } = options;
    const checked = {
      ...options,
      ...this.#certificates,
      // The library does not pass the address on, so Node would compare the certificate with "localhost".
      checkServerIdentity: (_: string, certificate: tls.PeerCertificate) => tls.checkServerIdentity(host, certificate),
    };
    const socket = await super.connect(request, checked as typeof options);
    return throttled(socket, this.#throttles) as net.Socket;
  }
}
