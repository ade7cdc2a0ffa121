/** How files of a repository are opened to be read: whoever can write there may have put a FIFO or a device in the place of one. */

import { constants, type Stats } from 'node:fs';
import { VarveError } from '../../errors/errors.js';

/** Without waiting for the writer of a FIFO. */
export const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** @throws VarveError `storage` */
export function requireRegular(stat: Stats, path: string): void {
  if (!stat.isFile()) throw new VarveError('storage', `${path}: is not a regular file`);
}
