import { Buffer } from 'node:buffer';
import type http from 'node:http';
import { request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import { throwIfInterrupted, type VarveError } from '../../errors/errors.js';
import type { StoreSettings } from '../settings.js';
import { type Agents, agentsFor } from '../transport/agents.js';
import { IdleTimeoutError } from '../transport/idle-timeout.js';
import { networkError } from '../transport/network-error.js';
import { lengthOf, receiveBody, sendBody } from './body.js';
import type { RestLocation } from './location.js';
import { interruption, type RestAnswer, type RestHead, type RestRequest, type RestTransport } from './transport.js';

/** Requests over HTTP/1.1, with and without TLS. */
export class HttpTransport implements RestTransport {
  readonly #location: RestLocation;
  readonly #settings: StoreSettings;
  readonly #agents: Agents;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(location: RestLocation, settings: StoreSettings, connections: number) {
    this.#location = location;
    this.#settings = settings;
    const { address, secure, server } = location;
    const url = 'socketPath' in address ? undefined : `${secure ? 'https' : 'http'}://${server}/`;
    this.#agents = agentsFor(settings, connections, url);
    this.#headers = { 'user-agent': settings.userAgent ?? 'varve', ...authorization(location) };
  }

  async request(request: RestRequest): Promise<RestAnswer> {
    const signal = interruption(request, this.#settings.signal);
    try {
      return await this.#exchange(request, signal);
    } catch (cause) {
      throwIfInterrupted(signal, cause);
      throw networkError(cause, this.#location.server);
    }
  }

  async close(): Promise<void> {
    this.#agents.close();
  }

  #exchange(request: RestRequest, signal: AbortSignal | undefined): Promise<RestAnswer> {
    return new Promise((resolve, reject) => {
      const { idleTimeoutSeconds } = this.#settings;
      const sent = this.#start(request, signal, idleTimeoutSeconds);
      let answered = false;
      let idle: VarveError | undefined;
      sent.on('timeout', () => {
        idle = new IdleTimeoutError(this.#location.server, idleTimeoutSeconds);
        sent.destroy(idle);
      });
      // Once there is an answer, it counts, even if sending the rest fails.
      sent.on('error', (error) => {
        if (!answered) reject(error);
      });
      sent.once('close', () => {
        if (!answered) reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
      });
      sent.once('response', (incoming) => {
        answered = true;
        answerOf(incoming, request)
          .then(resolve, (error) => reject(idle ?? error))
          // The server would take the unsent rest for another request.
          .finally(() => sent.writableFinished || sent.destroy());
      });
      if (request.body === undefined) sent.end();
      else sendBody(sent, request.body).catch(reject);
    });
  }

  #start(
    { method, path, headers, body }: RestRequest,
    signal: AbortSignal | undefined,
    idleTimeoutSeconds: number,
  ): http.ClientRequest {
    const { address, base, secure } = this.#location;
    const options = {
      ...address,
      method,
      path: base + path,
      headers: {
        ...this.#headers,
        ...headers,
        ...(body !== undefined && { 'content-length': lengthOf(body) }),
      },
      timeout: idleTimeoutSeconds * 1000,
      ...(signal !== undefined && { signal }),
    };
    return secure
      ? secureRequest({ ...options, agent: this.#agents.https })
      : plainRequest({ ...options, agent: this.#agents.http });
  }
}

async function answerOf(incoming: http.IncomingMessage, request: RestRequest): Promise<RestAnswer> {
  const head: RestHead = { status: incoming.statusCode ?? 0, headers: incoming.headers };
  return { ...head, body: await receiveBody(incoming, head, request) };
}

function authorization({ credentials }: RestLocation): { authorization?: string } {
  if (credentials === undefined) return {};
  const { user, password } = credentials;
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}
