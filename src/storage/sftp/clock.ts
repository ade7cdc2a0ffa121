import { FILE_MODE } from '../layout.js';
import type { SftpClient } from './client.js';
import { OPEN } from './protocol.js';
import { StatusError } from './status.js';
import { temporaryIn } from './upload.js';

/**
 * Seconds since 1970 by the server's clock, from the time of a new file, to the second.
 *
 * @param directory where a file may be made for a moment
 * @returns undefined where no file can be made
 */
export async function timeOfNewFile(client: SftpClient, directory: string): Promise<number | undefined> {
  const path = temporaryIn(directory);
  try {
    const handle = await client.open(path, OPEN.write | OPEN.create | OPEN.exclusive, { mode: FILE_MODE });
    const [{ modified }] = await Promise.all([client.fstat(handle), client.close(handle), client.remove(path)]);
    // The middle of the reported second.
    return modified === undefined ? undefined : modified + 0.5;
  } catch (cause) {
    if (cause instanceof StatusError) return undefined;
    throw cause;
  }
}
