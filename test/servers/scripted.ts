import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TlsOptions } from 'node:tls';

/** A server that answers as a test says. */
export interface Scripted {
  /** "127.0.0.1:PORT" */
  readonly host: string;
  /** "GET /data/", in the order in which they came. */
  readonly requests: string[];
  stop(): Promise<void>;
}

export interface Listening {
  readonly tls?: TlsOptions;
  readonly address?: string;
  readonly socketPath?: string;
}

export async function startScripted(answer: RequestListener, listening: Listening = {}): Promise<Scripted> {
  const requests: string[] = [];
  const listener: RequestListener = (request, response) => {
    requests.push(`${request.method} ${request.url}`);
    request.on('error', () => undefined);
    answer(request, response);
  };
  const { tls, socketPath, address = '127.0.0.1' } = listening;
  const server = tls === undefined ? createServer(listener) : createSecureServer(tls, listener);
  if (socketPath === undefined) server.listen(0, address);
  else server.listen(socketPath);
  await once(server, 'listening');
  const bound = server.address() as AddressInfo;
  return {
    host: socketPath ?? `${address}:${bound.port}`,
    requests,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
