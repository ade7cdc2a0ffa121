import type { FoundFile } from '../../../browse/find-files.js';
import { type StoredSnapshot, shortId } from '../../../repository/snapshots/snapshots.js';
import { matchJson } from '../../snapshots/node-json.js';
import { type LineOptions, nodeLine } from '../../snapshots/node-line.js';
import type { Output } from '../../terminal/output.js';
import { localTime } from '../../text/time.js';

/** Prints files as they are found. The JSON is an array with an object for each snapshot that has hits. */
export class FileReport {
  readonly #output: Output;
  readonly #options: LineOptions;
  #snapshot: StoredSnapshot | undefined;
  #hits = 0;

  constructor(output: Output, options: LineOptions) {
    this.#output = output;
    this.#options = options;
  }

  found(stored: StoredSnapshot, hit: FoundFile): void {
    if (this.#output.json) this.#json(stored, hit);
    else this.#text(stored, hit);
    this.#snapshot = stored;
    this.#hits++;
  }

  #text(stored: StoredSnapshot, { path, entry }: FoundFile): void {
    if (stored !== this.#snapshot) {
      if (this.#snapshot !== undefined) this.#output.message('');
      const { id, snapshot } = stored;
      this.#output.message(`Found matching entries in snapshot ${shortId(id)} from ${localTime(snapshot.time)}`);
    }
    this.#output.print(nodeLine(path, entry, this.#options));
  }

  #json(stored: StoredSnapshot, { path, entry }: FoundFile): void {
    if (stored !== this.#snapshot) {
      this.#output.write(`${this.#snapshot === undefined ? '[' : `${this.#end()},`}{"matches":[`);
      this.#hits = 0;
    }
    this.#output.write((this.#hits > 0 ? ',' : '') + matchJson(path, entry));
  }

  #end(): string {
    return this.#snapshot === undefined ? '[' : `],"hits":${this.#hits},"snapshot":"${this.#snapshot.id}"}`;
  }

  finish(): void {
    if (this.#output.json) this.#output.print(`${this.#end()}]`);
  }
}
