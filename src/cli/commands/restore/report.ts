// Reports the progress and the result of a restore, in restic's text or JSON.
// command.ts starts the restore and returns the exit code.
import type { Buffer } from 'node:buffer';
import type { MetadataKind } from '../../../restore/messages.js';
import type { RestoreEvent, RestoreProgress } from '../../../restore/options.js';
import type { Context } from '../../program/shell.js';
import { atIntervals, estimateText, Speed, showProgress } from '../../terminal/progress.js';
import { lossyText, printable } from '../../text/escape.js';
import { counted, formatBytes, formatPercent, formatSeconds } from '../../text/units.js';

const WITHOUT_SIZE: readonly string[] = ['deleted', 'omitted'];
/** How many warnings of each kind are printed; `-v` prints all. */
const WARNINGS_PRINTED = 3;

const NOT_SET: Record<MetadataKind, (files: string) => string> = {
  owner: (files) => `the owner of ${files} could not be set`,
  mode: (files) => `the mode of ${files} could not be set as in the snapshot`,
  times: (files) => `the times of ${files} could not be set exactly`,
  holes: (files) => `holes of ${files} take up space`,
  link: (files) => `no hard links could be made: there are copies of ${files}`,
  attribute: (files) => `extended attributes or ACLs of ${files} could not be set`,
};

export interface RestoreSetting {
  readonly dryRun: boolean;
  readonly verify: boolean;
  /** Whether includes limit the restore. */
  readonly including: boolean;
  /** Whether a path is a directory that the restore only creates for its contents, so that its owner does not matter. */
  readonly isOnTheWay: (path: Buffer) => boolean;
}

/** Reports the progress and the result of a restore, in restic's text or JSON. */
export class RestoreReport {
  readonly #context: Context;
  readonly #setting: RestoreSetting;
  readonly #speed = new Speed();
  readonly #start = performance.now();
  readonly #warnings = new Map<MetadataKind, { count: number; files: number; last: string }>();
  #stop: () => void = () => undefined;

  constructor(context: Context, setting: RestoreSetting) {
    this.#context = context;
    this.#setting = setting;
  }

  get wantsItems(): boolean {
    return this.#context.output.verbosity >= 2;
  }

  start(progress: () => Readonly<RestoreProgress>): void {
    this.#stop = atIntervals(this.#context, (seconds) => this.#printProgress(seconds, progress()));
  }

  stop(): void {
    this.#stop();
    this.#context.output.status('');
  }

  event(event: RestoreEvent): void {
    if (event.kind === 'warning' && this.#setting.isOnTheWay(event.path)) return;
    if (this.#context.output.json) this.#eventJson(event);
    else this.#eventText(event);
  }

  #eventText(event: RestoreEvent): void {
    const { output } = this.#context;
    const item = printable(event.path);
    if (event.kind === 'item') {
      const { action, size } = event;
      // `-v` prints what a restore changes, `-vv` every file.
      if (action === 'unchanged' && output.verbosity < 3) return;
      const sized = WITHOUT_SIZE.includes(action) ? '' : ` with size ${formatBytes(size)}`;
      output.print(`${action.padEnd(9)} ${item}${sized}`);
    } else if (event.kind === 'error') output.error(`error: ${item}: ${printable(event.message)}`);
    else if (this.#countWarning(event.about, item) <= WARNINGS_PRINTED || output.verbosity >= 2)
      output.error(`warning: ${item}: ${printable(event.message)}`);
  }

  /** A warning has the same form as in a backup. It is not an error and does not change the exit code. */
  #eventJson(event: RestoreEvent): void {
    const { output } = this.#context;
    const item = lossyText(event.path);
    if (event.kind === 'item') {
      const { action, size } = event;
      output.object({ message_type: 'verbose_status', action, item, size });
    } else if (event.kind === 'warning') output.errorObject({ message_type: 'warning', message: event.message, item });
    else {
      const error = { message: `${item}: ${event.message}` };
      output.errorObject({ message_type: 'error', error, during: 'restore', item });
    }
  }

  /** Counts warnings of a kind, because a hundred thousand lines would hide everything else. @returns the number so far */
  #countWarning(about: MetadataKind, item: string): number {
    const warnings = this.#warnings.get(about) ?? { count: 0, files: 0, last: '' };
    warnings.count++;
    // The warnings of one file come together.
    if (warnings.last !== item) warnings.files++;
    warnings.last = item;
    this.#warnings.set(about, warnings);
    return warnings.count;
  }

  finish(progress: RestoreProgress): void {
    this.stop();
    const { output } = this.#context;
    const seconds = (performance.now() - this.#start) / 1000;
    if (output.json) output.object({ message_type: 'summary', ...withoutZeros(figures(seconds, progress)) });
    else this.#finishText(seconds, progress);
    for (const [about, { count, files }] of this.#warnings) {
      const rest = count > WARNINGS_PRINTED && output.verbosity < 2 ? ' (-v prints all)' : '';
      output.error(`warning: ${NOT_SET[about](counted(files, 'file'))}${rest}`);
    }
    if (this.#setting.including && progress.totalFiles === 0 && progress.errors === 0)
      output.warn('no file in the snapshot matches the includes; `varve ls` lists the files');
    if (progress.errors > 0 && !output.json)
      output.error(`Fatal: there ${progress.errors === 1 ? 'was' : 'were'} ${counted(progress.errors, 'error')}`);
  }

  #finishText(seconds: number, progress: RestoreProgress): void {
    const { dryRun, verify } = this.#setting;
    const { total_files, files_restored, files_skipped, files_deleted, total_bytes, bytes_restored, bytes_skipped } =
      figures(seconds, progress);
    const whole = files_restored === total_files && bytes_restored === total_bytes;
    const files = whole ? `${total_files}` : `${files_restored} / ${total_files}`;
    const bytes = whole ? formatBytes(total_bytes) : `${formatBytes(bytes_restored)} / ${formatBytes(total_bytes)}`;
    const skipped = skippedText(files_skipped, bytes_skipped);
    const deleted = files_deleted > 0 ? `, deleted ${files_deleted} files/dirs` : '';
    const verb = dryRun ? 'Would restore' : 'Restored';
    this.#context.output.message(
      `Summary: ${verb} ${files} files/dirs (${bytes}) in ${formatSeconds(seconds)}${skipped}${deleted}`,
    );
    const { filesOmitted } = progress;
    if (filesOmitted > 0)
      this.#context.output.message(
        `left out because of --no-special (devices, FIFOs, sockets, setuid and setgid bits): ${filesOmitted}`,
      );
    if (!verify || progress.errors > 0 || dryRun) return;
    const right = this.#warnings.size > 0 ? 'the contents are' : 'all is';
    this.#context.output.message(`verified ${counted(progress.filesRestored, 'file')}: ${right} as in the snapshot`);
  }

  #printProgress(seconds: number, progress: Readonly<RestoreProgress>): void {
    const { totalBytes, bytesRestored, bytesSkipped, errors } = progress;
    const total = progress.totalFiles + progress.totalDirs;
    const done = bytesRestored + bytesSkipped;
    if (this.#context.output.json) {
      const { seconds_elapsed, ...rest } = figures(seconds, progress);
      const percent_done = totalBytes > 0 ? Math.min(1, done / totalBytes) : 0;
      const elapsed = withoutZeros({ seconds_elapsed });
      this.#context.output.object({ message_type: 'status', ...elapsed, percent_done, ...withoutZeros(rest) });
      return;
    }
    if (total === 0)
      return showProgress(this.#context, `[${formatSeconds(seconds)}] reading what there is in the snapshot`);
    const speed = this.#speed.add(seconds, bytesRestored);
    const percent = formatPercent(done, totalBytes);
    const parts = [
      `[${formatSeconds(seconds)}]${percent === '' ? '' : ` ${percent}`}`,
      `${progress.filesRestored + progress.dirsRestored + progress.filesSkipped} / ${total} files/dirs`,
      `${formatBytes(done)} / ${formatBytes(totalBytes)}`,
      `${formatBytes(speed)}/s`,
      ...(errors > 0 ? [counted(errors, 'error')] : []),
      ...estimateText(this.#speed.estimate(totalBytes - done)),
    ];
    showProgress(this.#context, parts.join('  '));
  }
}

/** Files, and parts of a file from an interrupted run, that are already correct. */
function skippedText(files: number, bytes: number): string {
  if (files > 0) return `, skipped ${files} files/dirs ${formatBytes(bytes)}`;
  return bytes > 0 ? `, ${formatBytes(bytes)} were there already` : '';
}

/** restic's figures: a directory counts as a file, and skipped files are not part of the total. */
function figures(seconds: number, progress: Readonly<RestoreProgress>) {
  const { totalFiles, totalDirs, filesRestored, dirsRestored, filesSkipped, filesDeleted } = progress;
  const { totalBytes, bytesRestored, bytesSkipped } = progress;
  return {
    seconds_elapsed: Math.floor(seconds),
    total_files: totalFiles + totalDirs - filesSkipped,
    files_restored: filesRestored + dirsRestored,
    files_skipped: filesSkipped,
    files_deleted: filesDeleted,
    total_bytes: totalBytes - bytesSkipped,
    bytes_restored: bytesRestored,
    bytes_skipped: bytesSkipped,
  };
}

const withoutZeros = (figures: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(figures).filter(([, figure]) => figure !== 0));
