import { VarveError } from '../../errors/errors.js';
import type { SftpClient } from './client.js';
import { STATUS } from './protocol.js';
import { hasStatus } from './status.js';
import { folderOf } from './upload.js';

const FILE_TYPE = 0o170000;
const FOLDER = 0o040000;

/** Makes a folder, unless it is there. What says that it is differs between servers: whatever they say, it is looked for. */
export async function makeFolder(client: SftpClient, path: string, mode: number): Promise<void> {
  try {
    await client.mkdir(path, mode);
  } catch (cause) {
    const found = await client.stat(path).catch(() => undefined);
    if (found === undefined) throw cause;
    if (((found.mode ?? FOLDER) & FILE_TYPE) !== FOLDER)
      throw new VarveError('storage', `${path} is there, but is no folder`, { cause });
  }
}

/** Makes a folder and those above it. */
export async function makeFolders(client: SftpClient, path: string, mode: number): Promise<void> {
  try {
    await makeFolder(client, path, mode);
  } catch (cause) {
    const above = folderOf(path);
    if (above === path || above === '.' || !hasStatus(cause, STATUS.noSuchFile)) throw cause;
    await makeFolders(client, above, mode);
    await makeFolder(client, path, mode);
  }
}
