/** The output formats of `ls`: lines or JSON, sorted, or a file for ncdu. */
import { Buffer } from 'node:buffer';
import type { Int64 } from '../../../bytes/int64.js';
import { VarveError } from '../../../errors/errors.js';
import type { Entry } from '../../../format/entry.js';
import type { EntryReader } from '../../../format/entry-reader.js';
import type { StoredSnapshot } from '../../../repository/snapshots/snapshots.js';
import { nodeJson } from '../../snapshots/node-json.js';
import { type LineOptions, nodeLine } from '../../snapshots/node-line.js';
import { snapshotJson } from '../../snapshots/snapshot-json.js';
import type { Output } from '../../terminal/output.js';
import { lossyText } from '../../text/escape.js';

export interface ListPrinter {
  /** @param entry valid until this returns */
  entry(path: Buffer, entry: Entry | EntryReader): void;
  /** A directory above a requested one. */
  above(path: Buffer, entry: Entry | EntryReader): void;
  /** Called after the last entry. */
  end(): void;
}

const ORDERS = ['name', 'size', 'time', 'mtime', 'atime', 'ctime', 'extension'] as const;
export type Order = (typeof ORDERS)[number];

/** @throws VarveError `usage` */
export function parseOrder(text: string): Order {
  const order = ORDERS.find((each) => each === text);
  if (order === undefined) throw new VarveError('usage', `--sort: "${text}" is none of ${ORDERS.join(', ')}`);
  return order;
}

/** Prints each entry at once. */
export class LinePrinter implements ListPrinter {
  readonly #output: Output;
  readonly #options: LineOptions;

  constructor(output: Output, options: LineOptions) {
    this.#output = output;
    this.#options = options;
  }

  entry(path: Buffer, entry: Entry | EntryReader): void {
    this.#output.print(this.line(path, entry));
  }

  line(path: Buffer, entry: Entry | EntryReader): string {
    return this.#output.json ? nodeJson(path, entry) : nodeLine(path, entry, this.#options);
  }

  above(): void {}

  end(): void {}
}

interface Sortable {
  readonly line: string;
  readonly path: Buffer;
  readonly size: number;
  readonly time: readonly [Int64, number];
  readonly extension: string;
}

/** Collects all lines and prints them sorted. */
export class SortedPrinter implements ListPrinter {
  readonly #output: Output;
  readonly #lines: LinePrinter;
  readonly #order: Order;
  readonly #reverse: boolean;
  readonly #all: Sortable[] = [];

  constructor(output: Output, options: LineOptions, order: Order, reverse: boolean) {
    this.#output = output;
    this.#lines = new LinePrinter(output, options);
    this.#order = order;
    this.#reverse = reverse;
  }

  entry(path: Buffer, entry: Entry | EntryReader): void {
    this.#all.push({
      line: this.#lines.line(path, entry),
      path,
      size: entry.type === 'file' ? entry.size : 0,
      time: timeOf(entry, this.#order),
      extension: /\.[^./]*$/.exec(path.toString('latin1'))?.[0] ?? '',
    });
  }

  above(): void {}

  end(): void {
    const compare = COMPARE[this.#order];
    if (compare !== undefined) this.#all.sort((a, b) => compare(a, b) || a.path.compare(b.path));
    if (this.#reverse) this.#all.reverse();
    for (const { line } of this.#all) this.#output.print(line);
  }
}

const byTime = ({ time: [a, x] }: Sortable, { time: [b, y] }: Sortable): number => (a < b ? -1 : a > b ? 1 : x - y);
const COMPARE: Readonly<Record<Order, ((a: Sortable, b: Sortable) => number) | undefined>> = {
  name: undefined,
  size: (a, b) => a.size - b.size,
  time: byTime,
  mtime: byTime,
  atime: byTime,
  ctime: byTime,
  extension: (a, b) => (a.extension < b.extension ? -1 : Number(a.extension > b.extension)),
};

function timeOf(entry: Entry | EntryReader, order: Order): readonly [Int64, number] {
  if (order === 'ctime') return [entry.ctimeSeconds, entry.ctimeNanoseconds];
  const mtime = [entry.mtimeSeconds, entry.mtimeNanoseconds] as const;
  return order === 'atime' ? (entry.atime ?? mtime) : mtime;
}

/** The block size in bytes by which ncdu counts disk usage. */
const BLOCK = 512;

/** The JSON that `ncdu -f` reads: an array for each directory, with the directory itself first. */
export class NcduPrinter implements ListPrinter {
  readonly #output: Output;
  /** Paths of the directories whose arrays are open, each with a slash after it. */
  readonly #open: Buffer[] = [];

  constructor(output: Output, stored: StoredSnapshot) {
    this.#output = output;
    output.write(`[1, 2, ${JSON.stringify(snapshotJson(stored))}, [{"name":"/"}`);
  }

  entry(path: Buffer, entry: Entry | EntryReader): void {
    this.#leave(path);
    const node = ncduNode(entry);
    const indent = '  '.repeat(this.#open.length + 1);
    if (entry.type !== 'directory') this.#output.write(`,\n${indent}${node}`);
    else {
      this.#output.write(`,\n${indent}[\n${indent}  ${node}`);
      this.#open.push(withSlash(path));
    }
  }

  above(path: Buffer, entry: Entry | EntryReader): void {
    this.entry(path, entry);
  }

  end(): void {
    while (this.#open.length > 0) this.#close();
    this.#output.print('\n]\n]');
  }

  /** Closes the arrays of directories that do not contain the path. */
  #leave(path: Buffer): void {
    const inside = withSlash(path);
    for (let top = this.#open.at(-1); top !== undefined; top = this.#open.at(-1)) {
      if (inside.subarray(0, top.length).equals(top)) return;
      this.#close();
    }
  }

  #close(): void {
    this.#open.pop();
    this.#output.write(`\n${'  '.repeat(this.#open.length + 1)}]`);
  }
}

const withSlash = (path: Buffer): Buffer => Buffer.concat([path, Buffer.from('/')]);

/** Builds text, because an inode number can be too large for JSON.stringify. */
function ncduNode({
  name,
  type,
  size,
  device,
  inode,
  links,
  uid,
  gid,
  mode,
  mtimeSeconds,
}: Entry | EntryReader): string {
  const asize = type === 'file' ? size : 0;
  const isSpecial = type !== 'directory' && type !== 'file';
  const sizes = `"asize":${asize},"dsize":${Math.ceil(asize / BLOCK) * BLOCK}`;
  const identity = `"dev":${device},"ino":${inode},"nlink":${links},"notreg":${isSpecial}`;
  const rest = `"uid":${uid},"gid":${gid},"mode":${mode & 0o7777},"mtime":${mtimeSeconds < 0 ? 0 : mtimeSeconds}`;
  return `{"name":${JSON.stringify(lossyText(name))},${sizes},${identity},${rest}}`;
}
