import type { SftpClient } from './client.js';
import { OPEN } from './protocol.js';
import { StatusError } from './status.js';
import { temporaryIn } from './upload.js';

/** Seconds for which the difference of the clocks is believed. */
const BELIEVED = 60;
/** Seconds by which this machine's clock may differ from what has passed before the difference is measured again: it was set, or the machine slept. */
const STRAY = 1;

interface Measured {
  /** Seconds that the server's clock is ahead. */
  readonly difference: number;
  /** Seconds by performance.now(), and by Date.now(). */
  readonly passed: number;
  readonly wall: number;
}

/** A server's clock: it dates new files by it, to the second. */
export class RemoteClock {
  #measured: Measured | undefined;

  /**
   * Seconds since 1970 there.
   *
   * @param folder where a file may be made for a moment
   */
  async now(client: SftpClient, folder: string): Promise<number> {
    const passed = performance.now() / 1000;
    const wall = Date.now() / 1000;
    const old = this.#measured;
    const fresh = old !== undefined && passed - old.passed < BELIEVED;
    if (fresh && Math.abs(wall - old.wall - (passed - old.passed)) < STRAY) return wall + old.difference;
    const modified = await timeOfNewFile(client, folder);
    if (modified === undefined) return wall;
    const difference = modified + 0.5 - (wall + Date.now() / 1000) / 2;
    this.#measured = { difference, passed, wall };
    return Date.now() / 1000 + difference;
  }
}

/** Undefined where none can be made: who may only read has nothing to protect by the time. */
async function timeOfNewFile(client: SftpClient, folder: string): Promise<number | undefined> {
  const path = temporaryIn(folder);
  try {
    const handle = await client.open(path, OPEN.write | OPEN.create | OPEN.exclusive, { mode: 0o600 });
    const [{ modified }] = await Promise.all([client.fstat(handle), client.close(handle), client.remove(path)]);
    return modified;
  } catch (cause) {
    if (cause instanceof StatusError) return undefined;
    throw cause;
  }
}
