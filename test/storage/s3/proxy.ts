import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { Transform } from 'node:stream';
import type { CephServer } from '../../servers/ceph.js';

/** What happens to one request. */
export interface Fate {
  /** The server's answer never arrives: the connection is cut instead. */
  readonly loseAnswer?: boolean;
  /** The connection is cut when so many bytes of the body have passed. */
  readonly cutUploadAt?: number;
  /** The connection is cut when so many bytes of the answer's body have passed. */
  readonly cutAnswerAt?: number;
  /** One bit of the body is changed on its way. */
  readonly flip?: boolean;
  /** The proxy answers itself: a status, S3's code, and what else is in the body. */
  readonly answer?: { readonly status: number; readonly code: string; readonly more?: string };
}

export interface Seen {
  readonly method: string;
  /** "/bucket/prefix/data/ab/abcd…" */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
}

/** Stands between a client and the server, and sees each request. */
export class S3Proxy {
  /** All requests, in order. */
  readonly seen: Seen[] = [];
  /** Decides about a request. */
  fate: (request: Seen) => Fate = () => ({});
  readonly #server: http.Server;
  readonly #agent = new http.Agent({ keepAlive: true });

  private constructor(ceph: CephServer) {
    this.#server = http.createServer((request, response) => this.#pass(ceph, request, response));
  }

  static async start(ceph: CephServer): Promise<S3Proxy> {
    const proxy = new S3Proxy(ceph);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get endpoint(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return `http://127.0.0.1:${address.port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
    this.#agent.destroy();
  }

  #pass(ceph: CephServer, request: IncomingMessage, response: ServerResponse): void {
    const { method = '', headers } = request;
    const url = new URL(request.url ?? '', 'http://proxy');
    const seen = { method, path: decodeURIComponent(url.pathname), query: url.searchParams, headers };
    this.seen.push(seen);
    const fate = this.fate(seen);
    const cut = (): void => void request.socket.destroy();
    if (fate.answer !== undefined) return answer(request, response, fate.answer);
    const onward = http.request({
      port: ceph.port,
      host: '127.0.0.1',
      method,
      path: request.url,
      headers,
      agent: this.#agent,
    });
    onward.on('error', cut);
    request.on('error', () => onward.destroy());
    const cutBoth = (): void => {
      onward.destroy();
      cut();
    };
    request.pipe(changed(fate, cutBoth)).pipe(onward);
    onward.on('response', (got) => {
      if (fate.loseAnswer) return got.resume().on('end', cut);
      response.writeHead(got.statusCode ?? 500, got.headers);
      const limit = fate.cutAnswerAt;
      got.pipe(changed(limit === undefined ? {} : { cutUploadAt: limit }, cut)).pipe(response);
    });
  }
}

function changed({ cutUploadAt, flip }: Fate, cut: () => void): Transform {
  let passed = 0;
  return new Transform({
    transform(bytes: Buffer, _, done) {
      if (flip && passed === 0) bytes[0] = (bytes[0] as number) ^ 1;
      passed += bytes.length;
      if (cutUploadAt !== undefined && passed >= cutUploadAt) cut();
      else done(null, bytes);
    },
  });
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { status, code, more = '' }: NonNullable<Fate['answer']>,
): void {
  request.resume().on('end', () => {
    response.writeHead(status, { 'content-type': 'application/xml' });
    response.end(
      request.method === 'HEAD' || status < 300
        ? ''
        : `<?xml version="1.0"?><Error><Code>${code}</Code>${more}</Error>`,
    );
  });
}
