import type { BackupEvent, BackupProgress, BackupResult } from '../../../backup/options.js';
import type { Suspect } from '../../../backup/suspects.js';
import type { SnapshotSummary, SourceFigures } from '../../../format/snapshot.js';
import { type StoredSnapshot, shortId } from '../../../repository/snapshots/snapshots.js';
import type { Time } from '../../../time/time.js';
import type { Context } from '../../program/shell.js';
import { atIntervals } from '../../terminal/progress.js';
import { lossyText, printable } from '../../text/escape.js';
import { rfc3339 } from '../../text/time.js';
import { counted, formatBytes, formatSeconds } from '../../text/units.js';
import { ProgressReport } from './progress-report.js';

type Item = Extract<BackupEvent, { kind: 'item' }>;

/** restic's words in its JSON. */
const ACTIONS: Record<Item['action'], string> = {
  new: 'new',
  changed: 'modified',
  unmodified: 'unchanged',
  excluded: 'excluded',
};

/** Reports the progress and the result of a backup, in restic's text or JSON. */
export class BackupReport {
  readonly #context: Context;
  readonly #parent: StoredSnapshot | undefined;
  readonly #progress: ProgressReport;
  #stop: () => void = () => undefined;
  #started = false;

  constructor(context: Context, parent: StoredSnapshot | undefined) {
    this.#context = context;
    this.#parent = parent;
    this.#progress = new ProgressReport(context, parent?.snapshot.summary);
  }

  /** Whether it shows progress while the backup runs. */
  get showsProgress(): boolean {
    return this.#progress.isShown;
  }

  /** Whether it wants an event for each file. */
  get wantsItems(): boolean {
    const { json, verbosity } = this.#context.output;
    return verbosity >= (json ? 2 : 3);
  }

  announce(stream: boolean): void {
    const { output } = this.#context;
    if (stream) return;
    const parent = this.#parent;
    output.message(
      parent === undefined
        ? 'no parent snapshot found, will read all files'
        : `using parent snapshot ${shortId(parent.id)}`,
    );
    output.flush();
  }

  /** Called again when the backup starts again, because a prune condemned data that it relied on. */
  start(progress: () => BackupProgress): void {
    this.stop();
    const { output } = this.#context;
    if (this.#started && !output.json)
      output.message('a prune has condemned data that this backup relied on: the backup starts again');
    this.#started = true;
    this.#stop = atIntervals(this.#context, (seconds) => this.#progress.show(seconds, progress()));
  }

  stop(): void {
    this.#stop();
    this.#context.output.status('');
  }

  event(event: BackupEvent): void {
    if (event.kind === 'item') this.#item(event);
    else if (event.kind === 'changed' || event.path.length === 0) this.#warning(event);
    else this.#error(event);
  }

  finish(result: BackupResult, dryRun: boolean): void {
    if (this.#context.output.json) this.#finishJson(result, dryRun);
    else this.#finishText(result, dryRun);
    for (const suspect of result.suspects) this.#suspect(suspect, dryRun);
    if (result.errors > 0 && !this.#context.output.json)
      this.#context.output.warn('at least one source file could not be read');
  }

  #suspect({ path, now, before }: Suspect, dryRun: boolean): void {
    const found =
      before === undefined
        ? 'nothing in it could be read'
        : `it holds ${describeFigures(now)} where the last good snapshot has ${describeFigures(before)}`;
    const mark = `the snapshot ${dryRun ? 'would be' : 'is'} marked as suspect, and no policy keeps it instead of a good one`;
    const advice = before === undefined ? '' : '; if nothing is wrong, run it once with --max-shrink 100%';
    this.#error({ kind: 'error', path, message: `${found}: ${mark}${advice}`, during: 'archival' });
  }

  #error({ path, message, during }: Extract<BackupEvent, { kind: 'error' }>): void {
    const { output } = this.#context;
    if (!output.json) output.error(`error: ${printable(path)}: ${message}`);
    else
      output.errorObject({
        message_type: 'error',
        error: { message: `${lossyText(path)}: ${message}` },
        during,
        item: lossyText(path),
      });
  }

  /** A warning is not an error: a file that changed is stored as it was read, and a warning without a path means no loss. */
  #warning({ path, message }: Exclude<BackupEvent, Item>): void {
    const { output } = this.#context;
    if (output.json) output.errorObject({ message_type: 'warning', message, item: lossyText(path) });
    else output.error(`warning: ${path.length === 0 ? '' : `${printable(path)}: `}${message}`);
  }

  #item(item: Item): void {
    const { output } = this.#context;
    const { path, action, seconds, size, directory } = item;
    if (!output.json) output.print(itemLine(item));
    else
      output.object({
        message_type: 'verbose_status',
        action: ACTIONS[action],
        item: lossyText(path) + slashAfter(item),
        ...(item.rule !== undefined && { rule: item.rule }),
        duration: seconds,
        data_size: directory ? 0 : size,
        data_size_in_repo: item.dataStored,
        metadata_size: item.metadataAdded,
        metadata_size_in_repo: item.metadataStored,
        total_files: 0,
      });
  }

  #finishText({ id, summary }: BackupResult, dryRun: boolean): void {
    const { output } = this.#context;
    const column = (count: number): string => String(count).padStart(5);
    const { files_new, files_changed, files_unmodified, dirs_new, dirs_changed, dirs_unmodified } = summary;
    output.message('');
    output.message(
      `Files:       ${column(files_new)} new, ${column(files_changed)} changed, ${column(files_unmodified)} unmodified`,
    );
    output.message(
      `Dirs:        ${column(dirs_new)} new, ${column(dirs_changed)} changed, ${column(dirs_unmodified)} unmodified`,
    );
    output.message(`Data Blobs:  ${column(summary.data_blobs)} new`, 2);
    output.message(`Tree Blobs:  ${column(summary.tree_blobs)} new`, 2);
    const verb = dryRun ? 'Would add to the repository' : 'Added to the repository';
    const sizes = `${formatBytes(summary.data_added)} (${formatBytes(summary.data_added_packed)} stored)`;
    output.message(`${verb}: ${sizes}`);
    output.message('');
    const { total_files_processed: files, total_bytes_processed: bytes } = summary;
    // Wrappers of restic look for `N files` in piped output, even for one file.
    const counts = output.isTerminal ? counted(files, 'file') : `${files} files`;
    output.message(`processed ${counts}, ${formatBytes(bytes)} in ${formatSeconds(duration(summary))}`);
    if (id !== undefined) output.message(`snapshot ${shortId(id)} saved`);
    else if (!dryRun) output.message('skipped creating snapshot: nothing has changed');
  }

  #finishJson({ id, idIfStored, summary }: BackupResult, dryRun: boolean): void {
    const snapshotId = id ?? idIfStored;
    const { backup_start, backup_end, entries_with_xattrs: _, ...counts } = summary;
    this.#context.output.object({
      message_type: 'summary',
      ...(dryRun && { dry_run: true }),
      ...counts,
      backup_start: rfc3339(backup_start),
      backup_end: rfc3339(backup_end),
      total_duration: duration(summary),
      ...(snapshotId !== undefined && { snapshot_id: snapshotId }),
    });
  }
}

const describeFigures = ({ entries, bytes }: SourceFigures): string =>
  `${counted(entries, 'file')} with ${formatBytes(bytes)}`;

const exact = ({ seconds, nanoseconds }: Time): number => seconds + nanoseconds / 1e9;

function duration({ backup_start, backup_end }: SnapshotSummary): number {
  return Math.max(0, Math.round((exact(backup_end) - exact(backup_start)) * 1000) / 1000);
}

/** Directories end with a slash, as in restic. */
function slashAfter({ path, directory, action }: Item): string {
  return directory && action !== 'excluded' && path.length > 1 ? '/' : '';
}

function itemLine(item: Item): string {
  const path = printable(item.path) + slashAfter(item);
  switch (item.action) {
    case 'unmodified':
      return `unchanged ${path}`;
    case 'excluded':
      return `excluded  ${path}${item.rule === undefined ? '' : ` by ${printable(item.rule)}`}`;
    default: {
      const action = item.action === 'new' ? 'new      ' : 'modified ';
      // One blob may hold several directories, so the size of a single one is unknown.
      if (item.directory) return `${action} ${path}`;
      const sized = `${action} ${path} with size ${formatBytes(item.size)}`;
      // Small files share frames, so the time and size of a single one are unknown.
      if (item.dataAdded === 0) return sized;
      const sizes = `${formatBytes(item.dataAdded)} added, ${formatBytes(item.dataStored)} stored`;
      return `${sized}, saved in ${item.seconds.toFixed(3)}s (${sizes})`;
    }
  }
}
