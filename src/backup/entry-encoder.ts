// Encodes the entries of a new snapshot.
// Their contents and attributes are stored in entry-storer.ts.
import { Buffer } from 'node:buffer';
import { MessagePackWriter } from '../bytes/writer.js';
import type { OwnerNames } from '../filesystem/owners.js';
import type { FileStat } from '../filesystem/stat.js';
import { type Entry, writeEntry } from '../format/entry.js';
import type { ReadAttributes } from './messages.js';

/** The fields of an entry besides its name and stat. */
export interface EntryFields extends Partial<Pick<Entry, 'content' | 'target' | 'rdev' | 'holes'>> {
  readonly xattrs: ReadAttributes;
  /** Set when it differs from the size of the content or target. */
  readonly size?: number | undefined;
}

/** Encodes entries, with the names of owners as this machine knows them. */
export class EntryEncoder {
  readonly #owners: OwnerNames;
  readonly #withAtime: boolean;
  readonly #writer = new MessagePackWriter();

  constructor(owners: OwnerNames, withAtime: boolean) {
    this.#owners = owners;
    this.#withAtime = withAtime;
  }

  /** An entry whose attributes could not be read gets no ctime, so that the next backup does not take it for unchanged. */
  encode(name: Buffer, stat: FileStat, fields: EntryFields): Buffer {
    const { content, target, rdev, holes, xattrs } = fields;
    const isWhole = xattrs !== 'unread';
    this.#writer.reset();
    writeEntry(this.#writer, {
      name,
      type: stat.type,
      mode: stat.mode,
      uid: stat.uid,
      gid: stat.gid,
      user: this.#owners.userName(stat.uid),
      group: this.#owners.groupName(stat.gid),
      mtimeSeconds: stat.mtimeSeconds,
      mtimeNanoseconds: stat.mtimeNanoseconds,
      ctimeSeconds: isWhole ? stat.ctimeSeconds : 0,
      ctimeNanoseconds: isWhole ? stat.ctimeNanoseconds : 0,
      size: sizeOf(stat, fields),
      inode: stat.inode,
      device: stat.device,
      links: stat.links,
      content,
      target,
      rdev,
      atime: this.#withAtime ? stat.atime : undefined,
      btime: stat.btime,
      xattrs: isWhole ? xattrs : undefined,
      holes,
    });
    return Buffer.from(this.#writer.view());
  }
}

/** The bytes read, not lstat's size: the file may have grown, and links in /proc have no length. */
function sizeOf(stat: FileStat, { size, content, target }: EntryFields): number {
  if (stat.type !== 'file') return target?.length ?? 0;
  return size ?? content?.size ?? stat.size;
}
