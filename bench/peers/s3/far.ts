import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Transform } from 'node:stream';
import { Throttle } from '../../../src/storage/transport/throttle.js';

/** The connection to a distant server. */
export interface Distance {
  /** Milliseconds added to each request. */
  readonly milliseconds: number;
  /** Bytes a second of all answers together; undefined for no limit. */
  readonly bytesPerSecond: number | undefined;
}

export interface FarServer {
  /** "http://127.0.0.1:PORT" */
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** An HTTP proxy in front of a server on this machine, which makes it look far away. */
export async function startFar(port: number, { milliseconds, bytesPerSecond }: Distance): Promise<FarServer> {
  const agent = new http.Agent({ keepAlive: true });
  const throttle = bytesPerSecond === undefined ? undefined : new Throttle(bytesPerSecond);
  const server = http.createServer((request, response) => {
    setTimeout(() => pass(request, response), milliseconds);
  });
  const pass = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    const { method, url: path, headers } = request;
    const onward = http.request({ agent, host: '127.0.0.1', port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      if (throttle === undefined) answer.pipe(response);
      else answer.pipe(paced(throttle)).pipe(response);
      answer.on('error', () => response.destroy());
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections();
      agent.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Delays each piece by the latency. */
function paced(throttle: Throttle): Transform {
  return new Transform({
    transform(bytes: Buffer, _, done) {
      const wait = throttle.take(bytes.length);
      if (wait < 1) done(null, bytes);
      else setTimeout(() => done(null, bytes), wait);
    },
  });
}
