import type { RestoreEvent, RestoreProgress } from '../../restore/options.js';
import { everySoOften, Speed, showProgress } from '../progress.js';
import type { Context } from '../shell.js';
import { lossyText, printable } from '../text/escape.js';
import { formatBytes, formatPercent, formatSeconds } from '../text/units.js';

/** Tells how a restore goes and what came of it: in text as restic does, or in its JSON. */
export class RestoreReport {
  readonly #context: Context;
  readonly #speed = new Speed();
  readonly #start = performance.now();
  #stop: () => void = () => undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  get wantsItems(): boolean {
    return this.#context.output.verbosity >= 2;
  }

  start(progress: () => Readonly<RestoreProgress>): void {
    this.#stop = everySoOften(this.#context, (seconds) => this.#tell(seconds, progress()));
  }

  stop(): void {
    this.#stop();
    this.#context.output.status('');
  }

  event(event: RestoreEvent): void {
    const { output } = this.#context;
    const item = output.json ? lossyText(event.path) : printable(event.path);
    if (event.kind === 'item') {
      const { action, size } = event;
      if (output.json) output.object({ message_type: 'verbose_status', action, item, size });
      else output.print(`${action.padEnd(9)} ${item}${action === 'deleted' ? '' : ` with size ${formatBytes(size)}`}`);
    } else if (output.json) {
      output.errorObject({
        message_type: 'error',
        error: { message: `${item}: ${event.message}` },
        during: 'restore',
        item,
      });
    } else output.error(`${event.kind === 'error' ? 'error' : 'warning'}: ${item}: ${event.message}`);
  }

  finish(progress: RestoreProgress, dryRun: boolean, verified: boolean): void {
    this.stop();
    const { output } = this.#context;
    const seconds = (performance.now() - this.#start) / 1000;
    if (output.json) output.object({ message_type: 'summary', ...figures(seconds, progress) });
    else this.#finishText(seconds, progress, dryRun, verified);
    if (progress.errors > 0 && !output.json) output.error(`Fatal: There were ${progress.errors} errors`);
  }

  #finishText(seconds: number, progress: RestoreProgress, dryRun: boolean, verified: boolean): void {
    const { filesRestored, totalFiles, bytesRestored, totalBytes, filesSkipped, bytesSkipped, filesDeleted } = progress;
    const whole = filesRestored === totalFiles && bytesRestored >= totalBytes;
    const files = whole ? `${filesRestored}` : `${filesRestored} / ${totalFiles}`;
    const bytes = whole ? formatBytes(totalBytes) : `${formatBytes(bytesRestored)} / ${formatBytes(totalBytes)}`;
    const skipped = filesSkipped > 0 ? `, skipped ${filesSkipped} files ${formatBytes(bytesSkipped)}` : '';
    const deleted = filesDeleted > 0 ? `, deleted ${filesDeleted} files/dirs` : '';
    const verb = dryRun ? 'Would restore' : 'Restored';
    this.#context.output.message(
      `Summary: ${verb} ${files} files (${bytes}) in ${formatSeconds(seconds)}${skipped}${deleted}`,
    );
    if (verified && progress.errors === 0 && !dryRun)
      this.#context.output.message(`verified ${filesRestored} files: all are as in the snapshot`);
  }

  #tell(seconds: number, progress: Readonly<RestoreProgress>): void {
    const { totalBytes, bytesRestored, bytesSkipped, totalFiles, filesRestored, filesSkipped, errors } = progress;
    const done = bytesRestored + bytesSkipped;
    if (this.#context.output.json) {
      const { seconds_elapsed, ...rest } = figures(seconds, progress);
      const percent_done = totalBytes > 0 ? Math.min(1, done / totalBytes) : 0;
      this.#context.output.object({ message_type: 'status', seconds_elapsed, percent_done, ...rest });
      return;
    }
    const speed = this.#speed.add(seconds, bytesRestored);
    const percent = formatPercent(done, totalBytes);
    const parts = [
      `[${formatSeconds(seconds)}]${percent === '' ? '' : ` ${percent}`}`,
      `${filesRestored + filesSkipped} / ${totalFiles} files`,
      `${formatBytes(done)} / ${formatBytes(totalBytes)}`,
      `${formatBytes(speed)}/s`,
      `${errors} errors`,
      ...(speed > 0 ? [`ETA ${formatSeconds((totalBytes - done) / speed)}`] : []),
    ];
    showProgress(this.#context, parts.join('  '));
  }
}

function figures(seconds: number, progress: Readonly<RestoreProgress>): Record<string, number> {
  const { totalFiles, filesRestored, filesSkipped, filesDeleted, totalBytes, bytesRestored, bytesSkipped } = progress;
  return {
    seconds_elapsed: Math.floor(seconds),
    total_files: totalFiles,
    files_restored: filesRestored,
    files_skipped: filesSkipped,
    files_deleted: filesDeleted,
    total_bytes: totalBytes,
    bytes_restored: bytesRestored,
    bytes_skipped: bytesSkipped,
  };
}
