import type { SftpClient } from './client.js';
import { StatusError } from './status.js';

/**
 * Temporary files whose connection ended before they could be removed. The next connection removes them; otherwise they would stay for a
 * day.
 */
export class Abandoned {
  readonly #paths = new Set<string>();

  /** Removes a useless file, as soon as there is a connection. */
  async remove(client: SftpClient, path: string): Promise<void> {
    try {
      await client.remove(path);
    } catch (cause) {
      if (!(cause instanceof StatusError)) this.#paths.add(path);
    }
  }

  /** Removes the files through a working connection, in the background. */
  sweep(client: SftpClient): void {
    for (const path of this.#paths) {
      this.#paths.delete(path);
      void this.remove(client, path);
    }
  }
}
