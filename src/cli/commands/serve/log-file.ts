// The log of requests of `serve`.
// serve/ makes the lines; rotation is logrotate's.
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { systemReason, VarveError } from '../../../errors/errors.js';
import type { LogFormat, RequestRecord } from '../../../serve/request-log.js';
import type { Context } from '../../program/shell.js';

export interface RequestLog {
  write(record: RequestRecord): void;
  close(): Promise<void>;
}

/**
 * Writes a line for each request to a file that only its owner can read, or to standard output for `-`.
 *
 * @throws VarveError `usage` when it cannot be written
 */
export async function openLog(context: Context, path: string, format: LogFormat): Promise<RequestLog> {
  if (path === '-') {
    const write = (record: RequestRecord): void => {
      context.output.print(format(record));
      context.output.flush();
    };
    return { write, close: async () => undefined };
  }
  const stream = createWriteStream(path, { flags: 'a', mode: 0o600 });
  try {
    await once(stream, 'open');
  } catch (cause) {
    throw new VarveError('usage', `--log: cannot write ${path}: ${systemReason(cause)}`, { cause });
  }
  // The server goes on.
  stream.once('error', (cause) =>
    context.output.warn(`the log ${path} cannot be written any more: ${systemReason(cause)}`),
  );
  stream.on('error', () => undefined);
  return {
    write: (record) => void stream.write(`${format(record)}\n`),
    close: () => new Promise((resolve) => stream.end(() => resolve())),
  };
}
