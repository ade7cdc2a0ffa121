// Counts entries, bytes and errors by source. Each thread counts in its own row of shared memory; `sumSources` adds them up.
// Totals of the whole backup are in counters.ts.
import type { Buffer } from 'node:buffer';
import type { SourceFigures } from '../format/snapshot.js';

/** What a backup found in a source. */
export interface SourceCount extends SourceFigures {
  /** How many paths below it could not be read. */
  readonly errors: number;
  /** Whether the source itself could not be read. */
  readonly unreadable: boolean;
}

/** The row of a thread, and the absolute paths of the sources (latin1). Can be sent to a worker. */
export interface TallyHandle {
  readonly paths: readonly string[];
  readonly row: Float64Array;
}

/** The columns of a source. */
const ENTRIES = 0;
const BYTES = 1;
const ERRORS = 2;
const UNREADABLE = 3;
const COLUMNS = 4;

/** Makes a handle for each thread. */
export function createTallies(threads: number, sources: readonly Buffer[]): TallyHandle[] {
  const paths = sources.map((path) => path.toString('latin1'));
  const columns = COLUMNS * paths.length;
  const memory = new SharedArrayBuffer(threads * columns * 8);
  return Array.from({ length: threads }, (_, at) => ({
    paths,
    row: new Float64Array(memory, at * columns * 8, columns),
  }));
}

/** Counts for one thread. An entry below several sources counts for the innermost. */
export class SourceTally {
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #row: Float64Array;
  #directory: Buffer | undefined;
  #directoryNumber: number | undefined;

  constructor({ paths, row }: TallyHandle) {
    this.#numbers = numbered(paths);
    this.#row = row;
  }

  /** Counts an entry that is not a directory. @param directory the path it is in: the same object for all its entries */
  add(directory: Buffer, path: () => Buffer, bytes: number): void {
    if (directory !== this.#directory) {
      this.#directory = directory;
      this.#directoryNumber = innermost(this.#numbers, directory.toString('latin1'));
    }
    // With a single source, everything below it belongs to it.
    const isKnown = this.#directoryNumber !== undefined && this.#numbers.size === 1;
    const number = isKnown
      ? this.#directoryNumber
      : (this.#numbers.get(path().toString('latin1')) ?? this.#directoryNumber);
    this.#count(number, ENTRIES, 1);
    this.#count(number, BYTES, bytes);
  }

  /** Counts a path that could not be read. */
  fail(path: Buffer): void {
    const text = path.toString('latin1');
    const exact = this.#numbers.get(text);
    if (exact !== undefined) this.#count(exact, UNREADABLE, 1);
    else this.#count(innermost(this.#numbers, text), ERRORS, 1);
  }

  #count(number: number | undefined, column: number, amount: number): void {
    if (number === undefined) return;
    const at = number * COLUMNS + column;
    this.#row[at] = (this.#row[at] as number) + amount;
  }
}

/** The counts of each source, including the sources below it. */
export function sumSources(tallies: readonly TallyHandle[]): SourceCount[] {
  const paths = tallies[0]?.paths ?? [];
  const own = paths.map((_, number) => {
    const sum = (column: number): number =>
      tallies.reduce((total, { row }) => total + (row[number * COLUMNS + column] as number), 0);
    return { entries: sum(ENTRIES), bytes: sum(BYTES), errors: sum(ERRORS), unreadable: sum(UNREADABLE) > 0 };
  });
  const numbers = numbered(paths);
  const totals = own.map((count) => ({ ...count }));
  for (const [at, path] of paths.entries()) {
    const { entries, bytes, errors } = own[at] as SourceCount;
    for (let outer = outerOf(numbers, path); outer !== undefined; outer = outerOf(numbers, paths[outer] as string)) {
      const total = totals[outer] as { entries: number; bytes: number; errors: number };
      total.entries += entries;
      total.bytes += bytes;
      total.errors += errors;
    }
  }
  return totals;
}

const numbered = (paths: readonly string[]): Map<string, number> => new Map(paths.map((path, at) => [path, at]));

/** The number of the innermost source that is or contains a path. */
function innermost(numbers: ReadonlyMap<string, number>, path: string): number | undefined {
  return numbers.get(path) ?? outerOf(numbers, path);
}

/** The number of the innermost source above a path. */
function outerOf(numbers: ReadonlyMap<string, number>, path: string): number | undefined {
  for (let rest = path; rest !== '/'; ) {
    rest = rest.slice(0, rest.lastIndexOf('/')) || '/';
    const number = numbers.get(rest);
    if (number !== undefined) return number;
  }
  return undefined;
}
