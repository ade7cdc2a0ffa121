/**
 * Counts what each source of a backup holds. Every thread counts in rows of shared memory of its own; `sumSources` adds them up.
 */
import type { Buffer } from 'node:buffer';
import type { SourceFigures } from '../format/snapshot.js';

/** What a backup found in a source. */
export interface SourceCount extends SourceFigures {
  /** Paths below it that could not be read. */
  readonly errors: number;
  /** It could not be read itself. */
  readonly unreadable: boolean;
}

/** Where a thread counts, and the absolute paths of the sources as latin1. Survives structured clone. */
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

/** A handle for each of so many threads. */
export function createTallies(threads: number, sources: readonly Buffer[]): TallyHandle[] {
  const paths = sources.map((path) => path.toString('latin1'));
  const columns = COLUMNS * paths.length;
  const memory = new SharedArrayBuffer(threads * columns * 8);
  return Array.from({ length: threads }, (_, at) => ({
    paths,
    row: new Float64Array(memory, at * columns * 8, columns),
  }));
}

/** One thread's part of the counting. What is below several sources is counted for the innermost. */
export class SourceTally {
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #row: Float64Array;
  #directory: Buffer | undefined;
  #directoryNumber: number | undefined;

  constructor({ paths, row }: TallyHandle) {
    this.#numbers = numbered(paths);
    this.#row = row;
  }

  /** An entry that is no directory. @param directory where it is, the same object for all that are in it */
  add(directory: Buffer, path: () => Buffer, bytes: number): void {
    if (directory !== this.#directory) {
      this.#directory = directory;
      this.#directoryNumber = innermost(this.#numbers, directory.toString('latin1'));
    }
    // With one source, what is below it needs no further look.
    const isKnown = this.#directoryNumber !== undefined && this.#numbers.size === 1;
    const number = isKnown
      ? this.#directoryNumber
      : (this.#numbers.get(path().toString('latin1')) ?? this.#directoryNumber);
    this.#count(number, ENTRIES, 1);
    this.#count(number, BYTES, bytes);
  }

  /** A path that could not be read. */
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

/** What each source holds, with what is in sources below it. */
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

/** The number of the source that a path is or is below. */
function innermost(numbers: ReadonlyMap<string, number>, path: string): number | undefined {
  return numbers.get(path) ?? outerOf(numbers, path);
}

/** The number of the innermost source that a path is below. */
function outerOf(numbers: ReadonlyMap<string, number>, path: string): number | undefined {
  for (let rest = path; rest !== '/'; ) {
    rest = rest.slice(0, rest.lastIndexOf('/')) || '/';
    const number = numbers.get(rest);
    if (number !== undefined) return number;
  }
  return undefined;
}
