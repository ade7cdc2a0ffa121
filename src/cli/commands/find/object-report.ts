import { Buffer } from 'node:buffer';
import type { FoundObject } from '../../../browse/find-objects.js';
import type { BlobIndex } from '../../../repository/index/blob-index.js';
import { type StoredSnapshot, shortId } from '../../../repository/snapshots/snapshots.js';
import { pathJson } from '../../snapshots/node-json.js';
import type { Output } from '../../terminal/output.js';
import { printable } from '../../text/escape.js';
import { localTime, rfc3339 } from '../../text/time.js';

/** Prints the files and trees that need a blob or tree, as they are found. */
export class ObjectReport {
  readonly #output: Output;
  readonly #index: BlobIndex | undefined;
  #any = false;

  /** @param index to print packs too */
  constructor(output: Output, index: BlobIndex | undefined) {
    this.#output = output;
    this.#index = index;
  }

  found(stored: StoredSnapshot, hit: FoundObject): void {
    if (this.#output.json) this.#json(stored, hit);
    else this.#text(stored, hit);
    this.#any = true;
  }

  #text({ id: snapshotId, snapshot }: StoredSnapshot, { kind, id, path, parentTree }: FoundObject): void {
    const output = this.#output;
    output.print(`Found ${kind} ${id}`);
    output.print(` ... ${kind === 'blob' ? 'in file' : 'path'} ${printable(path)}`);
    if (parentTree !== undefined) output.print(`     (tree ${parentTree})`);
    if (this.#index !== undefined) output.print(` ... in pack ${this.#pack(id) ?? '(not in the index)'}`);
    output.print(` ... in snapshot ${shortId(snapshotId)} (${localTime(snapshot.time)})`);
  }

  #json({ id: snapshotId, snapshot }: StoredSnapshot, { kind, id, path, parentTree }: FoundObject): void {
    const parent = parentTree === undefined ? '' : `,"parent_tree":"${parentTree}"`;
    const pack = this.#index && this.#pack(id);
    const packed = pack === undefined ? '' : `,"pack":"${pack}"`;
    const where = `"snapshot":"${snapshotId}","time":"${rfc3339(snapshot.time)}"`;
    this.#output.write(
      `${this.#any ? ',' : '['}{"object_type":"${kind}","id":"${id}",${pathJson(path)}${parent}${packed},${where}}`,
    );
  }

  #pack(id: string): string | undefined {
    const index = this.#index;
    const blob = index?.find(Buffer.from(id, 'hex')) ?? -1;
    return blob < 0 ? undefined : index?.packName(index.locate(blob).pack);
  }

  finish(): void {
    if (this.#output.json) this.#output.print(this.#any ? ']' : '[]');
  }
}
