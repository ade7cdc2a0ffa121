import type { Socket } from 'node:net';

interface Connection {
  readonly socket: Socket;
  readonly address: string;
  /** Whether a request over this connection was accepted. */
  isAdmitted: boolean;
}

/**
 * The connections of a server, up to a limit. At the limit, a new connection replaces one that has not logged in:
 * the oldest one of the address that has most of those. So idle connections cannot keep other clients out.
 */
export class Connections {
  readonly #most: number;
  readonly #onRefused: () => void;
  /** By the peer's address and port, because a TLS socket and the socket below it are different objects. Oldest first. */
  readonly #open = new Map<string | Socket, Connection>();

  /** @param onRefused called when a new connection is refused because all others have logged in */
  constructor(most: number, onRefused: () => void) {
    this.#most = most;
    this.#onRefused = onRefused;
  }

  get size(): number {
    return this.#open.size;
  }

  add(socket: Socket): void {
    if (this.#open.size >= this.#most && !this.#evict()) {
      socket.destroy();
      this.#onRefused();
      return;
    }
    const key = keyOf(socket);
    const connection = { socket, address: socket.remoteAddress ?? '', isAdmitted: false };
    this.#open.set(key, connection);
    socket.once('close', () => {
      if (this.#open.get(key) === connection) this.#open.delete(key);
    });
  }

  /** Notes that a request over this connection was accepted. */
  admit(socket: Socket): void {
    const connection = this.#open.get(keyOf(socket));
    if (connection !== undefined) connection.isAdmitted = true;
  }

  closeAll(): void {
    for (const { socket } of this.#open.values()) socket.destroy();
  }

  #evict(): boolean {
    const candidates = [...this.#open].filter(([, { isAdmitted }]) => !isAdmitted);
    const counts = new Map<string, number>();
    for (const [, { address }] of candidates) counts.set(address, (counts.get(address) ?? 0) + 1);
    const most = Math.max(...counts.values());
    const victim = candidates.find(([, { address }]) => counts.get(address) === most);
    if (victim === undefined) return false;
    this.#open.delete(victim[0]);
    victim[1].socket.destroy();
    return true;
  }
}

function keyOf(socket: Socket): string | Socket {
  return socket.remotePort === undefined ? socket : `${socket.remoteAddress} ${socket.remotePort}`;
}
