import type { BackupProgress } from '../../../backup/options.js';
import type { SnapshotSummary } from '../../../format/snapshot.js';
import type { Context } from '../../program/shell.js';
import { estimateText, progressInterval, Speed, showProgress } from '../../terminal/progress.js';
import { lossyText, printable } from '../../text/escape.js';
import { counted, formatBytes, formatPercent, formatSeconds } from '../../text/units.js';
import { cutPath } from '../../text/width.js';

/** How many of the files being read are shown. */
const SHOWN_FILES = 4;

/** The size of the whole backup. */
interface Total {
  readonly files: number;
  readonly bytes: number;
  /** `final`: the scan has counted everything. `growing`: it is still counting. `parent`: the figures of the parent snapshot. */
  readonly kind: 'final' | 'growing' | 'parent';
}

/** Shows the progress of a backup: on a terminal, or as restic's JSON. The total comes from the scan, or else from the parent snapshot. */
export class ProgressReport {
  readonly #context: Context;
  readonly #parent: SnapshotSummary | undefined;
  readonly #speed = new Speed();
  #isScanTold = false;

  constructor(context: Context, parent: SnapshotSummary | undefined) {
    this.#context = context;
    this.#parent = parent;
  }

  /** Whether it shows anything. */
  get isShown(): boolean {
    return progressInterval(this.#context) !== undefined;
  }

  show(seconds: number, progress: BackupProgress): void {
    const { counters, scanned } = progress;
    if (scanned?.isComplete === true && !this.#isScanTold) this.#printScan(seconds, scanned);
    const speed = this.#speed.add(seconds, counters.bytes);
    const total = this.#total(progress);
    const isKnown = total !== undefined && total.kind !== 'growing';
    const left = isKnown ? this.#speed.estimate(total.bytes - counters.bytes) : undefined;
    if (this.#context.output.json) this.#showJson(seconds, progress, total, left);
    else this.#showText(seconds, progress, total, speed, left);
  }

  #total({ counters, scanned }: BackupProgress): Total | undefined {
    const files = filesDone(counters);
    const atLeast = (total: Total): Total => ({
      ...total,
      files: Math.max(total.files, files),
      bytes: Math.max(total.bytes, counters.bytes),
    });
    if (scanned !== undefined) return atLeast({ ...scanned, kind: scanned.isComplete ? 'final' : 'growing' });
    if (this.#parent === undefined) return undefined;
    const { total_files_processed, total_bytes_processed } = this.#parent;
    return atLeast({ files: total_files_processed, bytes: total_bytes_processed, kind: 'parent' });
  }

  #showText(
    seconds: number,
    { counters, current }: BackupProgress,
    total: Total | undefined,
    speed: number,
    left: number | undefined,
  ): void {
    const percent = total === undefined || total.kind === 'growing' ? '' : formatPercent(counters.bytes, total.bytes);
    const of = { final: 'of', growing: 'of at least', parent: 'of about' };
    const parts = [
      `[${formatSeconds(seconds)}]${percent === '' ? '' : ` ${percent}`}`,
      ...estimateText(left),
      counted(filesDone(counters), 'file'),
      `${formatBytes(counters.bytes)}${total === undefined ? '' : ` ${of[total.kind]} ${formatBytes(total.bytes)}`}`,
      `${formatBytes(speed)}/s`,
      ...(counters.errors > 0 ? [counted(counters.errors, 'error')] : []),
    ];
    const { columns } = this.#context.output;
    const files = current.slice(0, SHOWN_FILES).map((path) => cutPath(printable(path), columns - 1));
    showProgress(this.#context, parts.join('  '), files);
  }

  #showJson(
    seconds: number,
    { counters, current }: BackupProgress,
    total: Total | undefined,
    left: number | undefined,
  ): void {
    const whole = Math.floor(seconds);
    const files = filesDone(counters);
    const isKnown = total !== undefined && total.kind !== 'growing' && total.bytes > 0;
    this.#context.output.object({
      message_type: 'status',
      ...(whole > 0 && { seconds_elapsed: whole }),
      ...(left !== undefined && left >= 1 && { seconds_remaining: Math.floor(left) }),
      percent_done: isKnown ? counters.bytes / total.bytes : 0,
      ...(total !== undefined && total.files > 0 && { total_files: total.files }),
      ...(files > 0 && { files_done: files }),
      ...(total !== undefined && total.bytes > 0 && { total_bytes: total.bytes }),
      ...(counters.bytes > 0 && { bytes_done: counters.bytes }),
      ...(counters.errors > 0 && { error_count: counters.errors }),
      ...(current.length > 0 && { current_files: current.map(lossyText) }),
    });
  }

  /** restic prints this with `--verbose`. */
  #printScan(seconds: number, { files, bytes }: { readonly files: number; readonly bytes: number }): void {
    this.#isScanTold = true;
    const { output } = this.#context;
    if (!output.json) {
      output.message(`scan finished in ${seconds.toFixed(3)}s: ${counted(files, 'file')}, ${formatBytes(bytes)}`, 2);
      return;
    }
    if (output.verbosity < 2) return;
    output.object({
      message_type: 'verbose_status',
      action: 'scan_finished',
      item: '',
      duration: seconds,
      data_size: bytes,
      data_size_in_repo: 0,
      metadata_size: 0,
      metadata_size_in_repo: 0,
      total_files: files,
    });
  }
}

function filesDone({ filesNew, filesChanged, filesUnmodified }: BackupProgress['counters']): number {
  return filesNew + filesChanged + filesUnmodified;
}
