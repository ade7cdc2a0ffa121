// Makes directories on servers that report errors differently.
// sftp-store.ts decides which.
import { VarveError } from '../../errors/errors.js';
import type { SftpClient } from './client.js';
import { STATUS } from './protocol.js';
import { hasStatus } from './status.js';
import { directoryOf } from './upload.js';

const FILE_TYPE = 0o170000;
const DIRECTORY = 0o040000;

/** Makes a directory unless it exists. Servers report an existing directory in different ways, so after an error it checks. */
export async function makeDirectory(client: SftpClient, path: string, mode: number): Promise<void> {
  try {
    await client.mkdir(path, mode);
  } catch (cause) {
    const found = await client.stat(path).catch(() => undefined);
    if (found === undefined) throw cause;
    if (((found.mode ?? DIRECTORY) & FILE_TYPE) !== DIRECTORY)
      throw new VarveError('storage', `${path} exists, but is not a directory`, { cause });
  }
}

/** Makes a directory and its parents. */
export async function makeDirectories(client: SftpClient, path: string, mode: number): Promise<void> {
  try {
    await makeDirectory(client, path, mode);
  } catch (cause) {
    const above = directoryOf(path);
    if (above === path || above === '.' || !hasStatus(cause, STATUS.noSuchFile)) throw cause;
    await makeDirectories(client, above, mode);
    await makeDirectory(client, path, mode);
  }
}
