// Lists directories with several requests in flight.
// sftp-store.ts selects the names.
import type { SftpClient } from './client.js';
import { type NamedFile, STATUS } from './protocol.js';
import { hasStatus } from './status.js';

/** The limit of concurrent requests for the names of one directory. */
const READS_AHEAD = 16;

/** The names in a directory; none when it does not exist. */
export async function namesIn(client: SftpClient, directory: string): Promise<NamedFile[]> {
  const names: NamedFile[] = [];
  const handle = await client.opendir(directory).catch((cause) => {
    if (hasStatus(cause, STATUS.noSuchFile)) return undefined;
    throw cause;
  });
  if (handle === undefined) return names;
  try {
    for (let reads = 2; ; reads = Math.min(2 * reads, READS_AHEAD)) {
      const found = await Promise.all(Array.from({ length: reads }, () => client.readdir(handle)));
      for (const some of found) {
        if (some === undefined) return names;
        names.push(...some);
      }
    }
  } finally {
    client.close(handle).catch(() => undefined);
  }
}

/** Yields the results of an action in the order of the items, with this many actions at a time. */
export async function* ahead<T, R>(
  items: Iterable<T>,
  count: number,
  action: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const begun: Promise<R>[] = [];
  for (const item of items) {
    const result = action(item);
    result.catch(() => undefined);
    begun.push(result);
    if (begun.length === count) yield (await begun.shift()) as R;
  }
  for (const result of begun) yield await result;
}
