import { FILE_MODE } from '../layout.js';
import type { SftpClient } from './client.js';
import { OPEN } from './protocol.js';
import { StatusError } from './status.js';
import { temporaryIn } from './upload.js';

/**
 * Seconds since 1970 by a server's clock, which it dates a new file by; to the second.
 *
 * @param directory where a file may be made for a moment
 * @returns undefined where none can be made
 */
export async function timeOfNewFile(client: SftpClient, directory: string): Promise<number | undefined> {
  const path = temporaryIn(directory);
  try {
    const handle = await client.open(path, OPEN.write | OPEN.create | OPEN.exclusive, { mode: FILE_MODE });
    const [{ modified }] = await Promise.all([client.fstat(handle), client.close(handle), client.remove(path)]);
    // In the middle of the second that it tells.
    return modified === undefined ? undefined : modified + 0.5;
  } catch (cause) {
    if (cause instanceof StatusError) return undefined;
    throw cause;
  }
}
