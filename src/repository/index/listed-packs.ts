import { createHash } from 'node:crypto';
import { u32 } from '../../bytes/views.js';
import type { PackRecord } from '../../format/pack-record.js';
import type { BlobIndex } from './blob-index.js';
import type { LoadedIndex } from './index-store.js';

const DIGEST_BYTES = 16;

/** What index objects say of a pack. */
export interface Statement {
  /** Names of the index objects that say so. */
  readonly by: string[];
  readonly size: number;
  readonly digest: string;
}

export interface ListedPack {
  /** In the blob index. */
  readonly number: number;
  /** All that differ: one, if nothing is wrong. */
  readonly statements: readonly Statement[];
}

/** What the index says of packs beyond where their blobs are: some 200 bytes each. */
export class ListedPacks {
  readonly #statements = new Map<string, Statement[]>();

  /** Takes what an index object lists. */
  readonly add = ({ name: by, index }: LoadedIndex): void => {
    for (const { name, size, record } of index.packs) {
      const pack = name.toString('hex');
      const statements = this.#statements.get(pack) ?? [];
      const digest = digestOf(record);
      const same = statements.find((each) => each.size === size && each.digest === digest);
      if (same === undefined) statements.push({ by: [by], size, digest });
      else same.by.push(by);
      this.#statements.set(pack, statements);
    }
  };

  /** All that differ of a pack. */
  of(pack: string): readonly Statement[] {
    return this.#statements.get(pack) ?? [];
  }

  /** By name. */
  resolve(index: BlobIndex): Map<string, ListedPack> {
    const packs = new Map<string, ListedPack>();
    for (let number = 0; number < index.packCount; number++) {
      const name = index.packName(number);
      packs.set(name, { number, statements: this.of(name) });
    }
    return packs;
  }
}

/** Of all that a record says. */
export function digestOf({ kind, keys, frames, ids, lengths }: PackRecord): string {
  const hash = createHash('sha256').update(u32(kind)).update(u32(keys.length));
  for (const column of [...keys, frames, ids, lengths]) hash.update(u32(column.length)).update(column);
  return hash.digest().toString('latin1', 0, DIGEST_BYTES);
}
