import { displayWidth } from './width.js';

/** The gap between two columns. */
const GAP = '  ';

/** A table as restic prints it: a head, a rule, rows, a rule, a foot. A cell may have several lines. */
export class Table {
  readonly #heads: readonly string[];
  readonly #rightAligned: ReadonlySet<number>;
  readonly #rows: (readonly (readonly string[])[])[] = [];

  constructor(heads: readonly string[], rightAligned: readonly number[] = []) {
    this.#heads = heads;
    this.#rightAligned = new Set(rightAligned);
  }

  add(...cells: readonly (string | readonly string[])[]): void {
    this.#rows.push(cells.map((cell) => (typeof cell === 'string' ? [cell] : cell)));
  }

  /** @param foot the last line @param columns of the terminal; unlimited by default */
  lines(foot?: string, columns = Number.POSITIVE_INFINITY): string[] {
    const end = foot === undefined ? [] : [foot];
    const widths = this.#widths(columns);
    if (widths === undefined) return [...this.#records(columns), ...end];
    const body = this.#rows.flatMap((row) => this.#rowLines(row, widths));
    const heads = this.#rowLines(
      this.#heads.map((head) => [head]),
      widths,
    );
    const rule = '-'.repeat(largest([...heads, ...body].map(displayWidth)));
    return [...heads, rule, ...body, rule, ...end];
  }

  /** The width of each column. The widest shrink first. Undefined when words would have to be broken. */
  #widths(columns: number): number[] | undefined {
    const cells = this.#heads.map((head, column) => [head, ...this.#rows.flatMap((row) => row[column] ?? [])]);
    const widths = cells.map((lines) => largest(lines.map(displayWidth)));
    const narrowest = cells.map((lines) => largest(lines.flatMap(pieces).map(displayWidth)));
    const gaps = GAP.length * (widths.length - 1);
    if (sum(narrowest) + gaps > columns) return undefined;
    for (let excess = sum(widths) + gaps - columns; excess > 0; excess--) {
      const spare = widths.map((wide, column) => (wide > (narrowest[column] as number) ? wide : 0));
      const widest = spare.indexOf(Math.max(...spare));
      widths[widest] = (widths[widest] as number) - 1;
    }
    return widths;
  }

  /** Each row as lines of heading and cell, for a terminal that is too narrow for columns. */
  #records(columns: number): string[] {
    const beside = Math.max(...this.#heads.map(displayWidth)) + GAP.length;
    const indent = ' '.repeat(beside);
    return this.#rows.flatMap((row) => [
      ...row.flatMap((cell, column) =>
        cell
          .filter((line) => line !== '')
          .flatMap((line, at) => {
            const head = at === 0 ? (this.#heads[column] ?? '').trim() : '';
            return fold(line, columns - beside).map(
              (part, first) => (first === 0 ? head.padEnd(beside) : indent) + part,
            );
          }),
      ),
      '',
    ]);
  }

  #rowLines(row: readonly (readonly string[])[], widths: readonly number[]): string[] {
    const folded = row.map((cell, column) => cell.flatMap((line) => fold(line, widths[column] ?? displayWidth(line))));
    const height = Math.max(1, ...folded.map((cell) => cell.length));
    return Array.from({ length: height }, (_, line) =>
      this.#line(
        folded.map((cell) => cell[line] ?? ''),
        widths,
      ),
    );
  }

  #line(cells: readonly string[], widths: readonly number[]): string {
    const padded = cells.map((cell, column) => {
      const space = ' '.repeat(Math.max(0, (widths[column] ?? 0) - displayWidth(cell)));
      return this.#rightAligned.has(column) ? space + cell : cell + space;
    });
    return padded.join(GAP).trimEnd();
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

/** The pieces of a line that may be broken apart: words, and names of a path. */
const pieces = (line: string): string[] => line.match(/[^ /]*[ /]+|[^ /]+/g) ?? [''];

/** Breaks a line of a cell to the width of its column. */
function fold(line: string, columns: number): string[] {
  if (displayWidth(line) <= columns) return [line];
  const lines: string[] = [];
  let current = '';
  for (const piece of pieces(line)) {
    if (current !== '' && displayWidth((current + piece).trimEnd()) > columns) {
      lines.push(current.trimEnd());
      current = '';
    }
    current += piece;
  }
  return [...lines, current.trimEnd()];
}

/** Math.max with more than some 100,000 arguments fails. */
function largest(numbers: readonly number[]): number {
  return numbers.reduce((most, each) => Math.max(most, each), 0);
}
