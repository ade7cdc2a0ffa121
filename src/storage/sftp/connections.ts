import { VarveError } from '../../errors/errors.js';
import type { SftpClient } from './client.js';

/**
 * Milliseconds to the server and back from which on further connections pay. ssh has 2 MiB under way at the most: 27 MiB/s were measured with 50 ms,
 * 50 with two connections, 78 with five.
 */
const FAR = 10;
/** However many requests there are: each is a program, and a login at the server. */
const MOST = 5;

/** Opens a connection. @param further whether it is one beside others, for which nobody may be asked anything */
export type Connect = (further: boolean, closed: AbortSignal) => Promise<SftpClient>;

/** The connections to a server: one, and further ones where that is not enough. One that has ended is replaced when it is needed. */
export class Connections {
  readonly #location: string;
  readonly #connect: Connect;
  readonly #most: number;
  readonly #closing = new AbortController();
  /** With the number of operations that use it. */
  readonly #open = new Map<SftpClient, number>();
  #opening: Promise<SftpClient> | undefined;
  #adding = false;

  constructor(location: string, connect: Connect, most: number) {
    this.#location = location;
    this.#connect = connect;
    this.#most = Math.min(most, MOST);
  }

  /** Does something by the connection that has the least to do. */
  async use<T>(action: (client: SftpClient) => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw new VarveError('storage', `${this.#location}: the store is closed`);
    const client = this.#leastBusy() ?? (await this.#first());
    this.#count(client, 1);
    try {
      return await action(client);
    } finally {
      this.#count(client, -1);
    }
  }

  /** Ends all. What is under way fails. */
  close(): void {
    this.#closing.abort();
    for (const client of this.#open.keys()) client.disconnect();
  }

  #leastBusy(): SftpClient | undefined {
    const [least] = [...this.#open].sort(([, a], [, b]) => a - b);
    if (least === undefined) return undefined;
    const [client, users] = least;
    if (users > 0 && client.window.full && client.roundTrip > FAR) this.#add();
    return client;
  }

  #first(): Promise<SftpClient> {
    this.#opening ??= this.#openOne(false).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Nothing waits for it: what is there does as well. */
  #add(): void {
    if (this.#adding || this.#open.size >= this.#most) return;
    this.#adding = true;
    this.#openOne(true).then(
      () => {
        this.#adding = false;
      },
      // Refused once, it is not tried again.
      () => undefined,
    );
  }

  async #openOne(further: boolean): Promise<SftpClient> {
    const client = await this.#connect(further, this.#closing.signal);
    this.#open.set(client, 0);
    void client.ended.then(() => this.#open.delete(client));
    return client;
  }

  #count(client: SftpClient, change: number): void {
    const users = this.#open.get(client);
    if (users !== undefined) this.#open.set(client, users + change);
  }
}
