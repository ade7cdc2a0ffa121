// What index objects state about each pack: size and record, compared by a digest.
// Where the blobs of a pack are is left to blob-index.ts.
import { createHash } from 'node:crypto';
import { u32 } from '../../bytes/views.js';
import type { PackRecord } from '../../format/pack-record.js';
import type { BlobIndex } from './blob-index.js';
import type { LoadedIndex } from './index-store.js';
import type { Origin } from './trust.js';

const DIGEST_BYTES = 16;

/** What index objects state about a pack. */
export interface Statement {
  /** Names of the index objects that state it. */
  readonly by: string[];
  readonly size: number;
  readonly digest: string;
  /** The best of those that they state. */
  origin: Origin;
}

export interface ListedPack {
  /** The pack's number in the blob index. */
  readonly number: number;
  /** The different statements: one, if nothing is wrong. */
  readonly statements: readonly Statement[];
}

/** Collects the statements of all index objects, at some 200 bytes for each pack. */
export class ListedPacks {
  readonly #statements = new Map<string, Statement[]>();

  /** Adds the packs of an index object. */
  readonly add = ({ name: by, index }: LoadedIndex): void => {
    for (const { name, size, record, ...origin } of index.packs) {
      const pack = name.toString('hex');
      const statements = this.#statements.get(pack) ?? [];
      const digest = digestOf(record);
      const same = statements.find((each) => each.size === size && each.digest === digest);
      if (same === undefined) statements.push({ by: [by], size, digest, origin });
      else {
        same.by.push(by);
        if (origin.vouched) same.origin = origin;
      }
      this.#statements.set(pack, statements);
    }
  };

  /** The different statements about a pack. */
  of(pack: string): readonly Statement[] {
    return this.#statements.get(pack) ?? [];
  }

  /** The packs of the blob index, by name. */
  resolve(index: BlobIndex): Map<string, ListedPack> {
    const packs = new Map<string, ListedPack>();
    for (let number = 0; number < index.packCount; number++) {
      const name = index.packName(number);
      packs.set(name, { number, statements: this.of(name) });
    }
    return packs;
  }
}

/** A digest of the whole record. */
export function digestOf({ kind, keys, frames, ids, lengths }: PackRecord): string {
  const hash = createHash('sha256').update(u32(kind)).update(u32(keys.length));
  for (const column of [...keys, frames, ids, lengths]) hash.update(u32(column.length)).update(column);
  return hash.digest().toString('latin1', 0, DIGEST_BYTES);
}
