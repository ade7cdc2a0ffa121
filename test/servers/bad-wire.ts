import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Dice } from '../simulation/dice.js';

/**
 * Faults of a network, independent of the protocol:
 *
 * - `refused`: it is cut, and so is the next one as soon as it comes
 * - `half-sent`: it is cut in the middle of what is sent, in either direction
 * - `lost-answer`: what was sent arrives and is done, and the connection is cut before the answer comes
 * - `stalled`: for a while nothing moves
 * - `slow`: for a while little moves
 */
export const WIRE_FAULTS = ['refused', 'half-sent', 'lost-answer', 'stalled', 'slow'] as const;
export type WireFault = (typeof WIRE_FAULTS)[number];

export interface WireBadness {
  readonly seed: number;
  /** Bytes that pass between two faults, on average. */
  readonly every: number;
  /** Milliseconds that everything takes longer. */
  readonly latency?: number;
}

export interface BadWire {
  readonly port: number;
  readonly faults: ReadonlyMap<WireFault, number>;
  /** From now on there are faults; before, and after `calm`, there are none. */
  begin(): void;
  calm(): void;
  /** Goes away: connections are refused, or nothing is ever said. */
  vanish(how: 'refusing' | 'silent'): void;
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

/** A TCP proxy before a port of this machine, through which not everything comes. */
export async function startBadWire(behind: number, badness: WireBadness): Promise<BadWire> {
  const wire = new Wire(behind, badness);
  await wire.listen();
  return wire;
}

/** Milliseconds. */
const STALL = 150;
const SLOW = 400;
/** For what arrived to be done. */
const DOING = 30;
/** Bytes in a millisecond. */
const SLOWNESS = 200;

/** A connection and its continuation. */
interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** What the server says is dropped. */
  deaf: boolean;
  /** By performance.now(). */
  stalledUntil: number;
  slowUntil: number;
}

class Wire implements BadWire {
  readonly faults = new Map<WireFault, number>();
  readonly #behind: number;
  readonly #badness: WireBadness;
  readonly #dice: Dice;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;
  #left = Number.POSITIVE_INFINITY;
  #refusing = false;
  #silent = false;

  constructor(behind: number, badness: WireBadness) {
    this.#behind = behind;
    this.#badness = badness;
    this.#dice = new Dice(badness.seed);
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#take(client));
  }

  get port(): number {
    return this.#port;
  }

  async listen(): Promise<void> {
    await once(this.#server.listen(this.#port, '127.0.0.1'), 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  begin(): void {
    this.#left = this.#dice.between(0, 2 * this.#badness.every);
  }

  calm(): void {
    this.#left = Number.POSITIVE_INFINITY;
    this.#refusing = false;
  }

  vanish(how: 'refusing' | 'silent'): void {
    this.#silent = true;
    if (how === 'refusing') void this.stop();
    // Nobody tells the server either that all is over; but it is not to wait for that.
    else for (const each of this.#sockets) if (each.remotePort === this.#behind) each.destroy();
  }

  async comeBack(): Promise<void> {
    this.#silent = false;
    for (const each of this.#sockets) each.resetAndDestroy();
    if (!this.#server.listening) await this.listen();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const each of this.#sockets) each.resetAndDestroy();
    await closed;
  }

  #take(client: Socket): void {
    this.#keep(client);
    if (this.#silent) return;
    if (this.#refusing) {
      this.#refusing = false;
      return void client.resetAndDestroy();
    }
    const server = connect({ port: this.#behind, host: '127.0.0.1', allowHalfOpen: true });
    this.#keep(server);
    const link = { client, server, deaf: false, stalledUntil: 0, slowUntil: 0 };
    this.#flow(link, client, server);
    this.#flow(link, server, client);
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #flow(link: Link, from: Socket, to: Socket): void {
    from.on('data', (bytes: Buffer) => {
      from.pause();
      void this.#pass(link, bytes, to).then(() => from.resume());
    });
    from.on('end', () => {
      if (!this.#silent) to.end();
    });
    from.on('close', () => {
      if (!this.#silent) to.destroy();
    });
  }

  async #pass(link: Link, bytes: Buffer, to: Socket): Promise<void> {
    const fault = this.#draw(bytes.length);
    if (fault === 'refused' || fault === 'half-sent') {
      this.#refusing = fault === 'refused';
      to.write(bytes.subarray(0, this.#dice.below(bytes.length)), () => cut(link));
      return;
    }
    if (fault === 'lost-answer') {
      link.deaf = true;
      setTimeout(() => cut(link), (this.#badness.latency ?? 0) + DOING);
    }
    if (fault === 'stalled') link.stalledUntil = performance.now() + STALL;
    if (fault === 'slow') link.slowUntil = performance.now() + SLOW;
    await this.#delay(link, bytes.length);
    if (this.#silent) return new Promise(() => undefined);
    if (to.destroyed || (link.deaf && to === link.client)) return;
    await new Promise<void>((resolve) => to.write(bytes, () => resolve()));
  }

  async #delay(link: Link, bytes: number): Promise<void> {
    const now = performance.now();
    const slowness = link.slowUntil > now ? Math.min(bytes / SLOWNESS, link.slowUntil - now) : 0;
    const wait = (this.#badness.latency ?? 0) + slowness + Math.max(0, link.stalledUntil - now);
    if (wait > 0) await sleep(wait);
  }

  #draw(bytes: number): WireFault | undefined {
    this.#left -= bytes;
    if (this.#left > 0) return undefined;
    this.begin();
    const fault = this.#dice.pick(WIRE_FAULTS);
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
    return fault;
  }
}

function cut({ client, server }: Link): void {
  client.resetAndDestroy();
  server.destroy();
}
