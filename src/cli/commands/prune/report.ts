import type { PruneEvent, PruneResult, Totals } from '../../../prune/options.js';
import { timeFromMillis } from '../../../time/time.js';
import type { Context } from '../../program/shell.js';
import { localTime, rfc3339 } from '../../text/time.js';
import { counted, formatBytes, formatPercent } from '../../text/units.js';

/** Reports the plan, the progress and the result of a prune. */
export class PruneReport {
  readonly #context: Context;
  readonly #dryRun: boolean;

  constructor(context: Context, dryRun: boolean) {
    this.#context = context;
    this.#dryRun = dryRun;
  }

  event(event: PruneEvent): void {
    const { output } = this.#context;
    switch (event.kind) {
      case 'walked':
        return output.status(
          () =>
            `looking for needed data in ${counted(event.snapshots, 'snapshot')}: ${counted(event.directories, 'directory')}`,
        );
      case 'planned':
        return this.#plan(event.result);
      case 'compared':
        return output.status(
          () => `reading what is stored several times: ${event.done} of ${counted(event.total, 'pack')}`,
        );
      case 'bad-copy':
        return output.warn(`${event.message}; another copy of what it holds stays, if there is one`);
      case 'copied':
        return output.status(
          () => `repacking ${event.done} of ${counted(event.total, 'pack')}, ${formatBytes(event.bytes)}`,
        );
      case 'removed':
        return output.status(() => `deleting ${event.done} of ${counted(event.total, 'pack')}`);
      case 'locked':
        return output.status(() => `locking ${event.done} of ${counted(event.total, 'object')} for longer`);
      case 'waiting':
        return output.message(`${counted(event.packs, 'pack')} must stay for now: ${event.who} may rely on them`);
      case 'no-space':
        return output.warn(
          `${counted(event.packs, 'pack')} to repack stay, because there is no space for the copies: ${event.message}; nothing is lost: free some space, or give \`--max-repack-size\` less than what is free, or \`--max-unused unlimited\` to copy nothing`,
        );
      case 'not-copied':
        return output.warn(`not repacked: ${event.message}`);
    }
  }

  finish(result: PruneResult): void {
    const { output } = this.#context;
    output.status('');
    if (output.json) output.object(toJson(result, this.#dryRun));
    else if (this.#dryRun) output.prose('a dry run: nothing was changed');
    else this.#done(result);
  }

  #plan({ blobs, bytes, keep, remove, repack, orphans, reinstated }: PruneResult): void {
    const { output } = this.#context;
    output.status('');
    if (output.json) return;
    output.message('collecting packs for deletion and repacking');
    output.message(`needed:    ${counted(blobs.used, 'blob')}, ${formatBytes(bytes.used)}`);
    output.message(
      `unneeded:  ${counted(blobs.unused + blobs.duplicate, 'blob')}, ${formatBytes(bytes.unused)}${share(bytes.unused, bytes.total)}`,
    );
    output.message(`to keep:   ${packs(keep)}, ${formatBytes(bytes.remainingUnused)} of them unneeded`);
    output.message(`to repack: ${packs(repack)}`);
    output.message(`to remove: ${packs(remove)}`);
    if (orphans.packs > 0) output.message(`in no index: ${packs(orphans)}, left by interrupted backups; to remove`);
    if (reinstated.packs > 0) output.message(`needed again: ${packs(reinstated)}, condemned before`);
  }

  #done({ copied, deleted, waiting, locked }: PruneResult): void {
    const { output } = this.#context;
    if (copied.packs > 0) output.message(`repacked into ${packs(copied)}`);
    output.message(`deleted ${packs(deleted)}`);
    if (waiting.packs > 0)
      output.message(`condemned: ${packs(waiting)}; a prune deletes them when the grace time has passed`);
    if (locked !== undefined)
      output.message(`locked:    ${counted(locked.objects, 'object')}, until ${timeOf(locked.until)} or later`);
  }
}

const timeOf = (seconds: number): string => localTime(timeFromMillis(seconds * 1000));

const packs = ({ packs: count, bytes }: Totals): string => `${counted(count, 'pack')} of ${formatBytes(bytes)}`;

function share(part: number, whole: number): string {
  return whole === 0 ? '' : ` (${formatPercent(part, whole)})`;
}

/** restic's fields, and the state of condemned packs. Bytes count frames; for packs in no index they count whole packs. */
function toJson(result: PruneResult, dryRun: boolean): Record<string, unknown> {
  const { copied, reinstated, deleted, waiting, locked, errors } = result;
  return {
    message_type: 'summary',
    dry_run: dryRun,
    blobs: blobsJson(result),
    bytes: bytesJson(result),
    packfiles: {
      ...packsJson(result),
      written: copied.packs,
      reinstated: reinstated.packs,
      deleted: deleted.packs,
      condemned: waiting.packs,
    },
    deleted_bytes: deleted.bytes,
    condemned_bytes: waiting.bytes,
    ...(locked !== undefined && {
      locked_objects: locked.objects,
      locked_until: rfc3339(timeFromMillis(locked.until * 1000)),
    }),
    num_errors: errors,
  };
}

function blobsJson({ blobs: { repackRemove, ...blobs } }: PruneResult): Record<string, number> {
  const removed = blobs.remove + repackRemove;
  return { ...blobs, repack_remove: repackRemove, remove_total: removed, remaining: blobs.total - removed };
}

function bytesJson({ bytes, orphans }: PruneResult): Record<string, number> {
  const { used, duplicate, repack, repackRemove, remove, uncompressed, remainingUnused } = bytes;
  const total = bytes.total + orphans.bytes;
  const removed = remove + repackRemove + orphans.bytes;
  return {
    used,
    duplicate,
    unused: bytes.unused - duplicate,
    unreferenced: orphans.bytes,
    uncompressed,
    total,
    repack,
    repack_remove: repackRemove,
    remove,
    remove_total: removed,
    remaining: total - removed,
    remaining_unused: remainingUnused,
  };
}

function packsJson({
  packs: { used, unused, partlyUsed },
  keep,
  repack,
  remove,
  orphans,
}: PruneResult): Record<string, number> {
  return {
    used,
    unused,
    partly_used: partlyUsed,
    unreferenced: orphans.packs,
    total: used + unused + partlyUsed + orphans.packs,
    keep: keep.packs,
    repack: repack.packs,
    remove: remove.packs,
    remove_total: remove.packs + orphans.packs,
  };
}
