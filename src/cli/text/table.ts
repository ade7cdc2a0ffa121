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

  lines(foot?: string): string[] {
    const widths = this.#heads.map((head, column) =>
      Math.max(width(head), ...this.#rows.map((row) => widest(row[column]))),
    );
    const body = this.#rows.flatMap((row) => this.#rowLines(row, widths));
    const head = this.#line(this.#heads, widths);
    const rule = '-'.repeat(Math.max(width(head), ...body.map(width)));
    return [head, rule, ...body, rule, ...(foot === undefined ? [] : [foot])];
  }

  #rowLines(row: readonly (readonly string[])[], widths: readonly number[]): string[] {
    const height = Math.max(1, ...row.map((cell) => cell.length));
    return Array.from({ length: height }, (_, line) =>
      this.#line(
        row.map((cell) => cell[line] ?? ''),
        widths,
      ),
    );
  }

  #line(cells: readonly string[], widths: readonly number[]): string {
    const padded = cells.map((cell, column) => {
      const space = ' '.repeat(Math.max(0, (widths[column] ?? 0) - width(cell)));
      return this.#rightAligned.has(column) ? space + cell : cell + space;
    });
    return padded.join('  ').trimEnd();
  }
}

const width = (text: string): number => [...text].length;
const widest = (cell: readonly string[] = []): number => Math.max(0, ...cell.map(width));
