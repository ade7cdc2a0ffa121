/** Opens files of a repository for reading. A user with write access may have put a FIFO or a device in place of a file. */

import { constants, type Stats } from 'node:fs';
import { VarveError } from '../../errors/errors.js';

/** Does not wait for the writer of a FIFO. */
export const READ_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** @throws VarveError `storage` */
export function requireRegular(stat: Stats, path: string): void {
  if (!stat.isFile()) throw new VarveError('storage', `${path}: is not a regular file`);
}
