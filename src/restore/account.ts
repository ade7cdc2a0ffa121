import { Buffer } from 'node:buffer';
import { endsAll, errnoCode, systemReason, VarveError } from '../errors/errors.js';
import type { ItemError } from './messages.js';
import type { RestoreAction, RestoreEvent, RestoreOptions, RestoreProgress } from './options.js';

const SLASH = Buffer.from('/');

/** Counts what a restore does, and tells it. */
export class Account {
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
  /** In a dry run: first names that stay as they are. */
  readonly #standing = new Set<string>();
  /** Paths that failed, as latin1: nothing is linked to what stands there. */
  readonly #failed = new Set<string>();

  constructor(options: RestoreOptions) {
    this.#options = options;
  }

  done(path: Buffer, size: number): void {
    this.progress.filesRestored++;
    if (this.#standing.size > 0) this.#standing.delete(path.toString('latin1'));
    this.item('restored', path, size);
  }

  /** Of a file that was there, `updated` when its metadata were not right. */
  left(path: Buffer, size: number, updated: boolean): void {
    this.progress.filesSkipped++;
    this.item(updated ? 'updated' : 'unchanged', path, size);
  }

  bytes(count: number): void {
    this.progress.bytesRestored += count;
  }

  /** That were there already. */
  skipped(bytes: number): void {
    this.progress.bytesSkipped += bytes;
  }

  errors(errors: readonly ItemError[]): void {
    for (const error of errors) this.report(error);
  }

  /** One path failed: the others go on. */
  fail(path: Buffer, cause: unknown): void {
    if (errnoCode(cause) === 'ENOSPC')
      throw new VarveError('full', `the target is full: ${inSnapshot(path)}; free some space and run it again`);
    if (endsAll(cause) || (cause instanceof VarveError && cause.code === 'full')) throw cause;
    const message = cause instanceof VarveError ? cause.message : systemReason(cause);
    this.report({ path, message, kind: 'content' });
  }

  report({ path: bytes, message, kind }: ItemError): void {
    const path = Buffer.from(bytes);
    if (kind !== 'content' && kind !== 'metadata') {
      this.progress.warnings++;
      return this.#tell({ kind: 'warning', about: kind, path: inSnapshot(path), message });
    }
    // Each task that writes to a file may fail for the same reason: one message is enough.
    if (kind === 'content' && this.hasFailed(path)) return;
    this.progress.errors++;
    if (kind === 'content') this.#failed.add(path.toString('latin1'));
    this.#tell({ kind: 'error', path: inSnapshot(path), message: withoutPath(message, inSnapshot(path)) });
  }

  item(action: RestoreAction, path: Buffer, size: number): void {
    if (this.#options.verbose === true) this.#tell({ kind: 'item', action, path: inSnapshot(path), size });
  }

  #tell(event: RestoreEvent): void {
    this.#options.onEvent?.(event);
  }

  omitted(path: Buffer): void {
    this.progress.filesOmitted++;
    this.item('omitted', path, 0);
  }

  /** Notes a first name that is there. */
  stands(path: Buffer): void {
    if (this.#options.dryRun === true) this.#standing.add(path.toString('latin1'));
  }

  isStanding(path: Buffer): boolean {
    return this.#standing.has(path.toString('latin1'));
  }

  hasFailed(path: Buffer): boolean {
    return this.#failed.has(path.toString('latin1'));
  }
}

/** The path as the snapshot has it, with a slash in front. */
export function inSnapshot(path: Buffer): Buffer {
  return Buffer.concat([SLASH, path]);
}

/** What reads trees says where it was, and so does an event. */
export function withoutPath(message: string, path: Buffer): string {
  const beginning = `${path}: `;
  return message.startsWith(beginning) ? message.slice(beginning.length) : message;
}
