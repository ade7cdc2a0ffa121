import type { Buffer } from 'node:buffer';
import type { Int64 } from '../bytes/int64.js';
import type { OwnerNames } from '../filesystem/owners.js';
import type { FileStat } from '../filesystem/stat.js';
import { type Attachment, isReference } from '../format/attachment.js';
import type { ContentRef } from '../format/content.js';
import type { EntryReader } from '../format/entry-reader.js';
import type { ChangeRules } from './messages.js';
import { sameContent, sameMetadata } from './previous.js';
import type { BackupReporter } from './reporter.js';
import type { Storer } from './storer.js';

/** Decides what of the parent snapshot is still true of a path, and still stored, so that the new snapshot can share it. */
export class ChangeDetector {
  readonly #rules: ChangeRules;
  readonly #owners: OwnerNames;
  readonly #storer: Pick<Storer, 'has'>;
  readonly #reporter: BackupReporter;

  constructor(rules: ChangeRules, owners: OwnerNames, storer: Pick<Storer, 'has'>, reporter: BackupReporter) {
    this.#rules = rules;
    this.#owners = owners;
    this.#storer = storer;
    this.#reporter = reporter;
  }

  /** Whether the parent snapshot's content is still that of a file, and is still stored. */
  isUnchanged(before: EntryReader, stat: FileStat, path: () => Buffer): boolean {
    if (!sameContent(before, stat, this.#rules)) return false;
    const { content, holes } = before;
    return content !== undefined && this.isStored(content, path) && this.#isAttached(holes, path);
  }

  /** Whether the parent snapshot's encoded entry can be reused, attributes included: changing those changes the ctime. */
  isSameEntry(before: EntryReader, stat: FileStat, path: () => Buffer): boolean {
    return (
      sameMetadata(before, stat) &&
      stat.ctimeSeconds < this.#rules.racySince &&
      sameTime(before.btime, stat.btime) &&
      sameTime(before.atime, this.#rules.withAtime ? stat.atime : undefined) &&
      before.user === this.#owners.userName(stat.uid) &&
      before.group === this.#owners.groupName(stat.gid) &&
      this.#isAttached(before.xattrs, path)
    );
  }

  /** Whether all blobs of a content of the parent snapshot are still stored. */
  isStored(content: ContentRef, path: () => Buffer): boolean {
    try {
      return this.#storer.has(content);
    } catch (cause) {
      this.#reporter.reportUnreadableParent(path(), cause);
      return false;
    }
  }

  #isAttached(attachment: Attachment | undefined, path: () => Buffer): boolean {
    return !isReference(attachment) || this.isStored(attachment, path);
  }
}

function sameTime(a: readonly [Int64, number] | undefined, b: readonly [Int64, number] | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a[0] === b[0] && a[1] === b[1]);
}
