// The connections of a store: as many as help.
// connection.ts opens one.
import { VarveError } from '../../errors/errors.js';
import type { SftpClient } from './client.js';

/**
 * The round trip in milliseconds from which further connections pay. ssh has at most 2 MiB in flight: with 50 ms, one connection reached 27
 * MiB/s, two 50, five 78.
 */
const FAR = 10;
/** The limit of connections: each is a program, and a login at the server. */
const MOST = 5;

/** Opens a connection. @param further whether it is an additional one, which must not ask the user anything */
export type Connect = (further: boolean, closed: AbortSignal) => Promise<SftpClient>;

/** The connections to a server: one, and more where that is not enough. A connection that has ended is replaced on demand. */
export class Connections {
  readonly #location: string;
  readonly #connect: Connect;
  readonly #most: number;
  readonly #closing = new AbortController();
  /** The open connections with the number of operations that use each. */
  readonly #open = new Map<SftpClient, number>();
  #opening: Promise<SftpClient> | undefined;
  #adding = false;

  constructor(location: string, connect: Connect, most: number) {
    this.#location = location;
    this.#connect = connect;
    this.#most = Math.min(most, MOST);
  }

  /** Runs an action on the connection with the fewest operations. */
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

  /** Ends all connections; running requests fail. */
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

  /** Opens one more connection in the background. */
  #add(): void {
    if (this.#adding || this.#open.size >= this.#most) return;
    this.#adding = true;
    this.#openOne(true).then(
      () => {
        this.#adding = false;
      },
      // After one refusal there is no further attempt.
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
