import { Buffer } from 'node:buffer';
import { throwIfInterrupted } from '../errors/errors.js';
import type { IndexedPack } from '../format/index-object.js';
import { indexedPack, loadIndex, writeIndex } from '../repository/index/index-store.js';
import { isUnread, originIn } from '../repository/index/trust.js';
import { readVerdict } from '../repository/reading/pack-verifier.js';
import type { Repository } from '../repository/repository.js';
import type { RepairIndexOptions } from './options.js';

/**
 * Reads the packs of which only the directory was read, so that backups can rely on them: a directory may have been copied from another pack.
 * They are listed already, so an interruption only leaves this to a check.
 *
 * @returns how many this key now vouches for, and how many stay unread or bad
 * @throws VarveError `interrupted`, after it has listed what it had read
 */
export async function readAdded(
  repository: Repository,
  { signal, onEvent }: RepairIndexOptions,
): Promise<{ readonly vouched: number; readonly unvouched: number }> {
  const indexed = await loadIndex(repository);
  const { index } = indexed;
  const unread = Array.from({ length: index.packCount }, (_, pack) => pack).filter((pack) =>
    isUnread(originIn(index, pack)),
  );
  const proven: IndexedPack[] = [];
  for (const [done, pack] of unread.entries()) {
    if (signal?.aborted === true) break;
    const name = index.packName(pack);
    const verdict = await readVerdict(indexed, pack);
    if (verdict.kind === 'sound') {
      const { size, directory } = verdict;
      const writer = Buffer.from(directory.signer.slot);
      proven.push(indexedPack(name, size, directory.record, { writer, vouched: true }));
    } else if (verdict.kind === 'bad') onEvent?.({ kind: 'damaged-pack', name, message: verdict.cause.message });
    onEvent?.({ kind: 'read', done: done + 1, total: unread.length });
  }
  // What lists them already stays: it also says which damaged objects it stands for.
  if (proven.length > 0) await writeIndex(indexed, proven);
  throwIfInterrupted(signal);
  return { vouched: proven.length, unvouched: unread.length - proven.length };
}
