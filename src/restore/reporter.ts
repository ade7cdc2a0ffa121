// Counts and reports what a restore does.
// The failures of workers come here as messages; what they mean for a plan is window.ts's part.
import { Buffer } from 'node:buffer';
import { endsAll, errnoCode, systemReason, VarveError } from '../errors/errors.js';
import type { ItemError } from './messages.js';
import type { RestoreAction, RestoreEvent, RestoreOptions, RestoreProgress } from './options.js';

const SLASH = Buffer.from('/');

/** Counts what a restore does, and sends its events. */
export class RestoreReporter {
  readonly #options: RestoreOptions;
  readonly progress: RestoreProgress = {
    totalDirs: 0,
    dirsRestored: 0,
    totalFiles: 0,
    filesRestored: 0,
    filesSkipped: 0,
    filesDeleted: 0,
    filesOmitted: 0,
    totalBytes: 0,
    bytesRestored: 0,
    bytesSkipped: 0,
    errors: 0,
    warnings: 0,
  };
  /** In a dry run: existing files, kept as they are, that are the first of several hard links. */
  readonly #keptFirstNames = new Set<string>();
  /** Paths that failed (latin1): no hard link to them is made. */
  readonly #failed = new Set<string>();

  constructor(options: RestoreOptions) {
    this.#options = options;
  }

  restored(path: Buffer, size: number): void {
    this.progress.filesRestored++;
    if (this.#keptFirstNames.size > 0) this.#keptFirstNames.delete(path.toString('latin1'));
    this.item('restored', path, size);
  }

  /** An existing file was kept; `updated` when its metadata were corrected. */
  kept(path: Buffer, size: number, updated: boolean): void {
    this.progress.filesSkipped++;
    this.item(updated ? 'updated' : 'unchanged', path, size);
  }

  bytesWritten(count: number): void {
    this.progress.bytesRestored += count;
  }

  /** Counts bytes that existed already. */
  bytesSkipped(bytes: number): void {
    this.progress.bytesSkipped += bytes;
  }

  errors(errors: readonly ItemError[]): void {
    for (const error of errors) this.report(error);
  }

  /** Reports the failure of one path. @throws the cause when the restore cannot continue */
  fail(path: Buffer, cause: unknown): void {
    if (errnoCode(cause) === 'ENOSPC')
      throw new VarveError(
        'full',
        `the target is full: ${inSnapshot(path)}; free some space and run the restore again`,
      );
    if (endsAll(cause) || (cause instanceof VarveError && cause.code === 'full')) throw cause;
    const message = cause instanceof VarveError ? cause.message : systemReason(cause);
    this.report({ path, message, kind: 'content' });
  }

  report({ path: bytes, message, kind }: ItemError): void {
    const path = Buffer.from(bytes);
    if (kind !== 'content' && kind !== 'metadata') {
      this.progress.warnings++;
      return this.#report({ kind: 'warning', about: kind, path: inSnapshot(path), message });
    }
    // Several tasks that write one file may fail; the first failure is reported.
    if (kind === 'content' && this.hasFailed(path)) return;
    this.progress.errors++;
    if (kind === 'content') this.#failed.add(path.toString('latin1'));
    this.#report({ kind: 'error', path: inSnapshot(path), message: withoutPath(message, inSnapshot(path)) });
  }

  item(action: RestoreAction, path: Buffer, size: number): void {
    if (this.#options.verbose === true) this.#report({ kind: 'item', action, path: inSnapshot(path), size });
  }

  #report(event: RestoreEvent): void {
    this.#options.onEvent?.(event);
  }

  omitted(path: Buffer): void {
    this.progress.filesOmitted++;
    this.item('omitted', path, 0);
  }

  /** Records an existing file that is the first of several hard links. */
  keepsFirstName(path: Buffer): void {
    if (this.#options.dryRun === true) this.#keptFirstNames.add(path.toString('latin1'));
  }

  hasKeptFirstName(path: Buffer): boolean {
    return this.#keptFirstNames.has(path.toString('latin1'));
  }

  hasFailed(path: Buffer): boolean {
    return this.#failed.has(path.toString('latin1'));
  }
}

/** The path in the snapshot, with a leading slash. */
export function inSnapshot(path: Buffer): Buffer {
  return Buffer.concat([SLASH, path]);
}

/** Removes the path from the front of a message, because the event names it too. */
export function withoutPath(message: string, path: Buffer): string {
  const beginning = `${path}: `;
  return message.startsWith(beginning) ? message.slice(beginning.length) : message;
}
