import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Dice } from '../simulation/dice.js';

/**
 * What a network, or what stands in front of a server, does to a request:
 *
 * - `unsent`: the connection is cut before it arrives; `half-sent`: in the middle of its body
 * - `lost-answer`: it is done, and the connection is cut before the answer comes; `half-answered`: in the middle of the answer, by a reset
 * - `truncated`: the answer ends early, as if that were all
 * - `refused`: 500, 502, 503, 504 or 429, and nothing is done; `refused-after`: it is done, and 504 is answered
 * - `late`: the answer takes long
 */
export const FAULTS = [
  'unsent',
  'half-sent',
  'lost-answer',
  'half-answered',
  'truncated',
  'refused',
  'refused-after',
  'late',
] as const;
export type Fault = (typeof FAULTS)[number];

export interface Badness {
  /** What happens, and when, follows from it, as far as the order of requests does. */
  readonly seed: number;
  /** Faults a request, from 0 to 1. */
  readonly rate: number;
  readonly faults?: readonly Fault[];
  /** Milliseconds that each request takes longer. */
  readonly latency?: number;
  /** Milliseconds, of a late answer. */
  readonly lateness?: number;
}

export interface BadNetwork {
  /** "127.0.0.1:PORT", instead of the server's port. */
  readonly host: string;
  /** How many there were of each. */
  readonly faults: ReadonlyMap<Fault, number>;
  readonly requests: number;
  /** From now on, or from now on no more. */
  rate: number;
  /** Calls it after so many requests more. */
  after(requests: number, action: () => void): void;
  /** Goes away: connections are refused, or nothing is ever answered. */
  vanish(how: 'refusing' | 'silent'): void;
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

/** An HTTP proxy in front of a server ("host:port"), through which not everything comes. */
export async function startBadNetwork(behind: string, badness: Badness): Promise<BadNetwork> {
  const network = new Network(behind, badness);
  await network.listen();
  return network;
}

const REFUSALS = [500, 502, 503, 504, 429];
const LATENESS = 200;

class Network implements BadNetwork {
  readonly faults = new Map<Fault, number>();
  requests = 0;
  rate: number;
  readonly #behind: URL;
  readonly #badness: Badness;
  readonly #dice: Dice;
  readonly #server: http.Server;
  readonly #agent = new http.Agent({ keepAlive: true });
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #watches: { readonly at: number; readonly action: () => void }[] = [];
  #silent = false;

  constructor(behind: string, badness: Badness) {
    this.#behind = new URL(`http://${behind}/`);
    this.#badness = badness;
    this.rate = badness.rate;
    this.#dice = new Dice(badness.seed);
    this.#server = http.createServer((request, response) => this.#take(request, response));
    this.#server.on('clientError', (_, socket) => socket.destroy());
  }

  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  #port = 0;

  async listen(): Promise<void> {
    await once(this.#server.listen(this.#port, '127.0.0.1'), 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  after(requests: number, action: () => void): void {
    this.#watches.push({ at: this.requests + requests, action });
  }

  vanish(how: 'refusing' | 'silent'): void {
    this.#silent = true;
    if (how === 'refusing') {
      this.#server.close();
      this.#server.closeAllConnections();
    }
  }

  async comeBack(): Promise<void> {
    this.#silent = false;
    this.#server.closeAllConnections();
    if (!this.#server.listening) await this.listen();
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await closed;
  }

  #take(request: http.IncomingMessage, response: http.ServerResponse): void {
    this.requests++;
    for (const { at, action } of this.#watches) if (at === this.requests) action();
    for (const each of [request, response]) each.on('error', () => undefined);
    if (this.#silent) return;
    const fault = this.#draw(request);
    const lateness = fault === 'late' ? (this.#badness.lateness ?? LATENESS) : 0;
    this.#in((this.#badness.latency ?? 0) + lateness, () => {
      if (!request.socket.destroyed) this.#pass(request, response, fault);
    });
  }

  #draw(request: http.IncomingMessage): Fault | undefined {
    const { faults = FAULTS } = this.#badness;
    if (!this.#dice.chance(this.rate)) return undefined;
    let fault = this.#dice.pick(faults);
    if (fault === 'half-sent' && Number(request.headers['content-length'] ?? 0) < 2) fault = 'unsent';
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
    return fault;
  }

  #pass(request: http.IncomingMessage, response: http.ServerResponse, fault: Fault | undefined): void {
    const { socket } = request;
    if (fault === 'unsent') return cut(socket);
    if (fault === 'refused') return this.#refuse(request, response);
    const { method, url: path, headers } = request;
    const { hostname: host, port } = this.#behind;
    const onward = http.request({ agent: this.#agent, host, port, method, path, headers });
    onward.on('error', () => cut(socket));
    response.once('close', () => onward.destroy());
    onward.on('response', (answer) => this.#answer(answer, response, fault));
    if (fault === 'half-sent') this.#sendHalf(request, onward);
    else request.pipe(onward);
  }

  #sendHalf(request: http.IncomingMessage, onward: http.ClientRequest): void {
    let left = this.#dice.below(Number(request.headers['content-length']));
    request.on('data', (bytes: Buffer) => {
      const part = bytes.subarray(0, left);
      left -= part.length;
      onward.write(part, () => {
        if (left > 0) return;
        onward.destroy();
        cut(request.socket);
      });
    });
  }

  /** Either when all of the request has come, or at once, as a server does that is in a hurry. */
  #refuse(request: http.IncomingMessage, response: http.ServerResponse): void {
    const status = this.#dice.pick(REFUSALS);
    const answer = (): void => void response.writeHead(status, { connection: 'close' }).end('not now');
    if (this.#dice.chance(0.5)) answer();
    else request.resume().on('end', answer);
  }

  #answer(answer: http.IncomingMessage, response: http.ServerResponse, fault: Fault | undefined): void {
    const { socket } = response;
    answer.on('error', () => socket?.destroy());
    if (fault === 'lost-answer') answer.resume().on('end', () => socket !== null && cut(socket));
    else if (fault === 'refused-after') answer.resume().on('end', () => response.writeHead(504).end('too slow'));
    else {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      if (fault === 'half-answered' || fault === 'truncated') this.#answerHalf(answer, response, fault);
      else answer.pipe(response);
    }
  }

  #answerHalf(answer: http.IncomingMessage, response: http.ServerResponse, fault: Fault): void {
    const { socket } = response;
    let left = this.#dice.below(Math.max(1, Number(answer.headers['content-length'] ?? 0)));
    response.flushHeaders();
    const end = (): void => {
      if (fault === 'truncated') socket?.end();
      else if (socket !== null) cut(socket);
      answer.destroy();
    };
    answer.on('end', end);
    answer.on('data', (bytes: Buffer) => {
      const part = bytes.subarray(0, left);
      left -= part.length;
      response.write(part, () => {
        if (left <= 0) end();
      });
    });
  }

  #in(milliseconds: number, action: () => void): void {
    if (milliseconds === 0) return action();
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, milliseconds);
    this.#timers.add(timer);
  }
}

const cut = (socket: Socket): void => void socket.resetAndDestroy();
