import type { SftpClient } from './client.js';
import { StatusError } from './status.js';

/** Temporary files whose connection ended before they could be removed: the next one removes them, else they would stay for a day. */
export class Abandoned {
  readonly #paths = new Set<string>();

  /** Removes a file that is of no use any more, as soon as there is a connection. */
  async remove(client: SftpClient, path: string): Promise<void> {
    try {
      await client.remove(path);
    } catch (cause) {
      if (!(cause instanceof StatusError)) this.#paths.add(path);
    }
  }

  /** By a connection that works; nobody waits for it. */
  sweep(client: SftpClient): void {
    for (const path of this.#paths) {
      this.#paths.delete(path);
      void this.remove(client, path);
    }
  }
}
