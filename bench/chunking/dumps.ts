import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { numbers, type Workload } from './workload.js';

const DAYS = 7;
const FIRST_ROWS = 900_000;
/** Each day: 1 % new rows; one change to 1 % of the newest tenth; and this many changes anywhere, one in four a deletion. */
const GROWTH = 0.01;
const ANYWHERE = 300;
const WORDS =
  'amber basin clay delta erosion fan glacier heath inlet joint kame lake marl node outwash plain quarry ridge silt till'.split(
    ' ',
  );
const STATES = ['new', 'paid', 'packed', 'shipped', 'returned'];

/** Nightly SQL dumps of one table: one row a line, in order of the key. */
export function dumps(directory: string): Workload {
  mkdirSync(directory, { recursive: true });
  const next = numbers(20);
  // How often each row was changed; -1 when it is deleted.
  const rows = Array.from({ length: FIRST_ROWS }, () => 0);
  const files: string[] = [];
  for (let day = 0; day < DAYS; day++) {
    if (day > 0) changeRows(rows, next);
    const path = join(directory, `day-${day}.sql`);
    writeDump(path, rows);
    files.push(path);
  }
  return {
    name: 'SQL dumps',
    about: `${DAYS} nightly dumps of one table, ${FIRST_ROWS} rows at first; each day ${GROWTH * 100} % more rows, changes to 1 % of the newest tenth, and ${ANYWHERE} changes and deletions anywhere`,
    files,
  };
}

function changeRows(rows: number[], next: () => number): void {
  const before = rows.length;
  const touch = (row: number, version: number): void => {
    if ((rows[row] as number) >= 0) rows[row] = version;
  };
  for (let i = 0; i < before * 0.001; i++) {
    const row = Math.floor(before * (0.9 + 0.1 * next()));
    touch(row, (rows[row] as number) + 1);
  }
  for (let i = 0; i < ANYWHERE; i++) {
    const row = Math.floor(before * next());
    touch(row, next() < 0.25 ? -1 : (rows[row] as number) + 1);
  }
  for (let i = 0; i < before * GROWTH; i++) rows.push(0);
}

function writeDump(path: string, rows: readonly number[]): void {
  const file = openSync(path, 'w');
  let lines: string[] = ['BEGIN TRANSACTION;', 'CREATE TABLE orders (id, placed, customer, state, note, amount);'];
  const flush = (): void => {
    writeSync(file, `${lines.join('\n')}\n`);
    lines = [];
  };
  rows.forEach((version, id) => {
    if (version >= 0) lines.push(insertion(id, version));
    if (lines.length >= 10_000) flush();
  });
  lines.push('COMMIT;');
  flush();
  closeSync(file);
}

function insertion(id: number, version: number): string {
  const next = numbers(id * 64 + version);
  const pick = (from: readonly string[]): string => from[Math.floor(next() * from.length)] as string;
  const placed = new Date(1.7e12 + id * 31_000).toISOString();
  const note = Array.from({ length: 4 + Math.floor(next() * 8) }, () => pick(WORDS)).join(' ');
  const amount = (next() * 900).toFixed(2);
  return `INSERT INTO orders VALUES(${id},'${placed}',${Math.floor(next() * 1e6)},'${pick(STATES)}','${note}',${amount});`;
}
