import { VarveError } from '../../errors/errors.js';
import type { FreeSpace, SftpClient } from './client.js';
import { STATUS } from './protocol.js';
import type { StatusError } from './status.js';

interface Circumstances {
  readonly client: SftpClient;
  /** "cannot write data/abcd…" */
  readonly doing: string;
  /** The repository's directory. */
  readonly directory: string;
  readonly location: string;
  /** The number of bytes to write. */
  readonly length: number;
}

/** Explains a refusal. In version 3 a full disk is only a "failure", so this asks the server for its free space. */
export async function explainRefusal(refusal: StatusError, circumstances: Circumstances): Promise<VarveError> {
  const { client, doing, directory, location, length } = circumstances;
  const failed = (code: 'denied' | 'full' | 'storage', why: string): VarveError =>
    new VarveError(code, `${doing}: ${location}: ${why}`, { cause: refusal });
  if (refusal.code === STATUS.permissionDenied)
    return failed(
      'denied',
      'permission denied: is the account read-only, or does the directory belong to another user?',
    );
  if (refusal.code === STATUS.noSuchFile) return failed('storage', 'the directory does not exist');
  const space = refusal.code === STATUS.failure ? await spaceLeft(client, directory) : undefined;
  if (space?.readOnly === true) return failed('denied', 'its file system is read-only');
  if (space !== undefined && (space.bytes < Math.max(length, 1) || space.files === 0))
    return failed('full', 'no space left on the server; the stored data is safe: free some space and run it again');
  const hint = space === undefined || length === 0 ? '' : '; has the account used up its quota there?';
  return failed('storage', `the server says "${refusal.message || `status ${refusal.code}`}"${hint}`);
}

async function spaceLeft(client: SftpClient, directory: string): Promise<FreeSpace | undefined> {
  if (!client.offers('statvfs')) return undefined;
  return client.statvfs(directory).catch(() => undefined);
}
