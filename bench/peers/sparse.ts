import { execFileSync } from 'node:child_process';
import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seekData, seekHole } from '../../src/filesystem/posix.js';
import { numbers } from '../chunking/workload.js';
import { placeOf } from './campaign.js';
import { keystream } from './data.js';
import { setting } from './machine.js';
import { type Cost, measure } from './measure.js';
import type { Bench } from './options.js';
import { rounds } from './phases.js';
import type { Program } from './programs/program.js';
import { MIB, mebibytes, medianCost, seconds, table } from './table.js';

const GIB = 1024 * MIB;
const SIZE = 100 * GIB;
const PLACES = 40;
const PIECE = 256 * 1024;
const PAUSE_MILLISECONDS = 2000;

interface Run {
  readonly backup: Cost;
  readonly restore: Cost;
  readonly restored: Sparseness;
}

/** A file of 100 GiB with little data. A program that reads the holes takes minutes. */
export async function compareSparse(bench: Bench): Promise<string> {
  const work = join(bench.work, 'sparse');
  const source = join(work, 'data');
  makeSparse(source);
  const original = sparseness(join(source, 'image'));
  const rows: (string | number)[][] = [['the file itself', '', '', '', '', ...shown(original)]];
  for (const program of bench.programs) {
    const runs: Run[] = [];
    for (let round = 1; round <= bench.repeat; round++) runs.push(await run(program, bench, work, round, source));
    const [backup, restore] = [
      medianCost(runs.map((each) => each.backup)),
      medianCost(runs.map((each) => each.restore)),
    ];
    const restored = runs.at(-1)?.restored;
    if (backup === undefined || restore === undefined || restored === undefined) continue;
    const times = [backup.wall, backup.cpu, restore.wall, restore.cpu].map(seconds);
    rows.push([program.name, ...times, ...shown(restored)]);
  }
  const text = `One file of ${SIZE / GIB} GiB with ${mebibytes(PLACES * PIECE)} MiB of data in ${PLACES} places, the rest of it holes. ${rounds(bench.repeat)}.
The restored file is compared by its map of data and holes, and by its data.`;
  const header = ['program', 'backup s', 'CPU s', 'restore s', 'CPU s', 'on disk MiB', 'holes'];
  return [setting(bench.programs), text, table(header, rows)].join('\n\n');
}

const shown = ({ allocated, holes }: Sparseness): string[] => [mebibytes(allocated), String(holes)];

function makeSparse(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const next = numbers(9);
  const file = openSync(join(directory, 'image'), 'w');
  ftruncateSync(file, SIZE);
  for (let i = 0; i < PLACES; i++) {
    const offset = Math.floor(((i + 0.1 + 0.8 * next()) * SIZE) / PLACES / 4096) * 4096;
    writeSync(file, keystream(PIECE, i), 0, PIECE, offset);
  }
  closeSync(file);
}

async function run(program: Program, bench: Bench, work: string, round: number, source: string): Promise<Run> {
  const place = placeOf(program, work, round, bench.password);
  for (const step of program.init(place)) await measure(program, place, step);
  await settle();
  const backup = await measure(program, place, program.backup(place, source, 'first'));
  const target = join(work, `round-${round}`, program.name, 'restored');
  mkdirSync(target);
  await settle();
  const restore = await measure(program, place, program.restore(place, source, 'first', target));
  bench.say(`${round} ${program.name}: backup ${backup.wall.toFixed(2)} s, restore ${restore.wall.toFixed(2)} s`);
  const restored = join(program.restored(source, target), 'image');
  const difference = differenceOfData(join(source, 'image'), restored);
  if (difference !== undefined) throw new Error(`${program.name} FAILED: the restored file ${difference}`);
  return { backup, restore, restored: sparseness(restored) };
}

async function settle(): Promise<void> {
  execFileSync('sync');
  await sleep(PAUSE_MILLISECONDS);
}

interface Sparseness {
  /** Bytes. */
  readonly allocated: number;
  readonly holes: number;
}

function sparseness(path: string): Sparseness {
  const file = openSync(path, 'r');
  try {
    const { size, blocks } = fstatSync(file);
    const data = [...runs(file, size)];
    const before = data.filter(([start], i) => start > (data[i - 1]?.[1] ?? 0)).length;
    return { allocated: blocks * 512, holes: before + ((data.at(-1)?.[1] ?? 0) < size ? 1 : 0) };
  } finally {
    closeSync(file);
  }
}

/** The ranges of a file that hold data. */
function* runs(file: number, size: number): Generator<readonly [start: number, end: number]> {
  for (let at = 0; at < size; ) {
    const start = seekData(file, at);
    if (start === undefined) return;
    at = Math.min(size, seekHole(file, start));
    yield [start, at];
  }
}

/** Compares the second file with the data of the first. Elsewhere the second may have zeros instead of holes. @returns the differences */
function differenceOfData(original: string, copy: string): string | undefined {
  const [left, right] = [openSync(original, 'r'), openSync(copy, 'r')];
  try {
    const { size } = fstatSync(left);
    if (fstatSync(right).size !== size) return 'has another size';
    for (const [start, end] of runs(left, size))
      if (!read(left, start, end).equals(read(right, start, end))) return `differs near byte ${start}`;
    for (const [start, end] of runs(right, size))
      if (!isZeroBesides(left, right, start, end)) return `has data near byte ${start} where there was a hole`;
    return undefined;
  } finally {
    closeSync(left);
    closeSync(right);
  }
}

/** Compares the bytes with the original in pieces, because a file without holes is very long. */
function isZeroBesides(left: number, right: number, start: number, end: number): boolean {
  for (let at = start; at < end; at += MIB) {
    const stop = Math.min(end, at + MIB);
    if (!read(left, at, stop).equals(read(right, at, stop))) return false;
  }
  return true;
}

function read(file: number, start: number, end: number): Buffer {
  const bytes = Buffer.alloc(end - start);
  readSync(file, bytes, 0, bytes.length, start);
  return bytes;
}
