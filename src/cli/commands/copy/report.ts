import type { CopyEvent, CopyResult } from '../../../copy/copy.js';
import type { CopyProgress } from '../../../copy/snapshot-copier.js';
import { type StoredSnapshot, shortId } from '../../../repository/snapshots/snapshots.js';
import type { Context } from '../../program/shell.js';
import { makerOf } from '../../snapshots/snapshot-json.js';
import { atIntervals, Speed, showProgress } from '../../terminal/progress.js';
import { printable } from '../../text/escape.js';
import { localTime } from '../../text/time.js';
import { counted, formatBytes, formatPercent, formatSeconds } from '../../text/units.js';

const FAILED = 1;
const INCOMPLETE = 3;

/** Reports the progress and the result of a copy. */
export class CopyReport {
  readonly #context: Context;
  readonly #speed = new Speed();
  readonly #stop: () => void;
  #progress: CopyProgress = { bytes: 0, totalBytes: 0 };

  constructor(context: Context) {
    this.#context = context;
    this.#stop = atIntervals(context, (seconds) => this.#reportProgress(seconds));
  }

  progress(progress: CopyProgress): void {
    this.#progress = progress;
  }

  stop(): void {
    this.#stop();
    this.#context.output.status('');
  }

  event(event: CopyEvent): void {
    if (this.#context.output.json) this.#printJson(event);
    else this.#printText(event);
  }

  finish({ copied, skipped, failed, lost, dataBlobs, treeBlobs, rawBytes, storedBytes }: CopyResult): number {
    this.stop();
    const { output } = this.#context;
    if (output.json) {
      output.object({
        message_type: 'summary',
        copied_snapshots: copied,
        skipped_snapshots: skipped,
        failed_snapshots: failed,
        data_blobs: dataBlobs,
        tree_blobs: treeBlobs,
        data_added: rawBytes,
        data_added_packed: storedBytes,
      });
    } else {
      const before = skipped > 0 ? `, ${skipped} copied before` : '';
      output.message(`copied ${counted(copied, 'snapshot')}${before}`);
      output.message(`Added to the repository: ${formatBytes(rawBytes)} (${formatBytes(storedBytes)} stored)`);
    }
    if (failed > 0) return FAILED;
    return lost > 0 ? INCOMPLETE : 0;
  }

  #printText(event: CopyEvent): void {
    const { output } = this.#context;
    const id = shortId(event.stored.id);
    if (event.kind === 'begun') output.message(`\nsnapshot ${describe(event.stored)}`);
    else if (event.kind === 'copied') output.message(`snapshot ${shortId(event.id)} saved`);
    else if (event.kind === 'failed') output.error(`error: snapshot ${id}: ${event.error.message}`);
    else if (event.kind === 'lost')
      output.error(`error: snapshot ${id}: the copy lacks an entry: ${event.error.message}`);
    else output.message(`skipping snapshot ${id}: it was copied before, as ${shortId(event.copy.id)}`, 2);
  }

  #printJson(event: CopyEvent): void {
    const { output } = this.#context;
    const { id } = event.stored;
    if (event.kind === 'copied')
      output.object({ message_type: 'copied', source_snapshot_id: id, snapshot_id: event.id });
    else if (event.kind === 'skipped')
      output.object({ message_type: 'skipped', source_snapshot_id: id, snapshot_id: event.copy.id });
    else if (event.kind === 'failed' || event.kind === 'lost') {
      const { message } = event.error;
      output.errorObject({ message_type: 'error', error: { message }, during: 'copy', item: id });
    }
  }

  #reportProgress(seconds: number): void {
    const { bytes, totalBytes } = this.#progress;
    const { output } = this.#context;
    if (output.json) {
      const percent = totalBytes === 0 ? 0 : bytes / totalBytes;
      const figures = { percent_done: percent, total_bytes: totalBytes, bytes_done: bytes };
      output.object({ message_type: 'status', seconds_elapsed: Math.floor(seconds), ...figures });
      return;
    }
    const speed = formatBytes(this.#speed.add(seconds, bytes));
    const done = `${formatBytes(bytes)} of ${formatBytes(totalBytes)} read, ${speed}/s`;
    showProgress(this.#context, `[${formatSeconds(seconds)}] ${formatPercent(bytes, totalBytes)}  ${done}`);
  }
}

function describe({ id, snapshot }: StoredSnapshot): string {
  const paths = snapshot.paths.map(printable).join(', ');
  return `${shortId(id)} of [${paths}] at ${localTime(snapshot.time)} by ${makerOf(snapshot)}`;
}
