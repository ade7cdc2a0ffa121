import type { Cost } from './measure.js';

export const MIB = 1024 * 1024;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

export function medianCost(costs: readonly Cost[]): Cost | undefined {
  if (costs.length === 0) return undefined;
  return {
    wall: median(costs.map(({ wall }) => wall)),
    cpu: median(costs.map(({ cpu }) => cpu)),
    memory: median(costs.map(({ memory }) => memory)),
  };
}

export const seconds = (value: number): string => value.toFixed(value < 10 ? 2 : 1);
export const mebibytes = (bytes: number): string => (bytes / MIB).toFixed(bytes < 100 * MIB ? 1 : 0);

export function ratio(value: number | undefined, base: number | undefined): string {
  return value === undefined || base === undefined || base === 0 ? '' : (value / base).toFixed(2);
}

type Cell = string | number;

/** A table in Markdown with aligned columns, so that it reads well as plain text. */
export function table(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cells = [header, ...rows].map((row) => row.map(String));
  const widths = header.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)));
  const isNumber = header.map((_, column) =>
    cells.slice(1).every((row) => /^([\d.,]*|FAILED)$/.test(row[column] ?? '')),
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => (isNumber[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (isNumber[i] ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width))).join(' | ')} |`;
  const [head = [], ...body] = cells;
  return [line(head), rule, ...body.map(line)].join('\n');
}
