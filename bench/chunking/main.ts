// Deduplication and speed for candidate chunk sizes, as tables in Markdown. docs/chunking.md has results and reasons.
// Run by `npm run bench:chunking` after `npm run build`; needs npm's registry, tar, and about 4 GB below the temporary directory.
import { randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChunkSizes } from '../../src/chunking/parameters.js';
import { dumps } from './dumps.js';
import { images } from './images.js';
import { baselineCutter, type Cutter, type Measured, measure, SEGMENT, varveCutter } from './measure.js';
import { releases } from './releases.js';
import type { Workload } from './workload.js';

const KIB = 1024;
const MIB = 1024 * KIB;

const AROUND = [64, 128, 256, 512, 1024, 2048].map((kib) => sizes(kib * KIB, 4, 4));
const OTHERS = [
  sizes(256 * KIB, 2, 4),
  sizes(512 * KIB, 2, 4),
  sizes(512 * KIB, 2, 8),
  sizes(512 * KIB, 4, 8),
  sizes(MIB, 2, 4),
  sizes(MIB, 4, 8),
];
const BASELINES = [sizes(512 * KIB, 4, 4), sizes(MIB, 4, 4)];

function sizes(average: number, below: number, above: number): ChunkSizes {
  return { min: average / below, average, max: average * above };
}

function size(bytes: number): string {
  return bytes >= MIB ? `${bytes / MIB} MiB` : `${bytes / KIB} KiB`;
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(2)} %`;
}

function row(cells: readonly (string | number)[]): void {
  console.log(`| ${cells.join(' | ')} |`);
}

function header(names: readonly string[]): void {
  console.log('');
  row(names);
  row(names.map(() => '---'));
}

function cells(cutter: Cutter, measured: Measured): (string | number)[] {
  const { total, unique, chunks, uniqueChunks, stored, cost, seconds } = measured;
  return [
    cutter.name,
    size(cutter.sizes.min),
    size(cutter.sizes.average),
    size(cutter.sizes.max),
    percent(unique, total),
    percent(stored, total),
    percent(cost, total),
    chunks,
    uniqueChunks,
    Math.round(total / MIB / seconds),
  ];
}

function report(workload: Workload): void {
  console.log(`\n### ${workload.name}\n\n${workload.about}.`);
  header(['cutter', 'min', 'average', 'max', 'unique', 'stored', 'cost', 'chunks', 'unique chunks', 'MiB/s']);
  for (const one of [...AROUND, ...OTHERS]) {
    const cutter = varveCutter(one);
    row(cells(cutter, measure(workload, cutter)));
  }
  for (const one of BASELINES) {
    const cutter = baselineCutter(one);
    row(cells(cutter, measure(workload, cutter)));
  }
}

/** Bytes that each round cuts: a portion that fits the processor's caches, as when files are read in pieces, and one that does not. */
const SPEED_PORTIONS = [8 * MIB, SEGMENT];

/** Speed on random bytes in memory: the median of several runs, after warm-up. */
function speed(): void {
  console.log(
    '\n### Speed of cutting alone\n\nMiB/s of one thread over random bytes in memory, median of 9 rounds of 256 MiB.',
  );
  header(['cutter', 'min', 'average', 'max', ...SPEED_PORTIONS.map((bytes) => `${size(bytes)} at a time`)]);
  for (const make of [varveCutter, baselineCutter])
    for (const one of AROUND) {
      const cutter = make(one);
      randomFillSync(cutter.memory);
      const rates = SPEED_PORTIONS.map((bytes) => medianRate(cutter, bytes));
      row([cutter.name, size(one.min), size(one.average), size(one.max), ...rates]);
    }
}

function medianRate(cutter: Cutter, portion: number): number {
  const rates: number[] = [];
  for (let round = 0; round < 12; round++) {
    const began = process.hrtime.bigint();
    for (let done = 0; done < SEGMENT; done += portion) cutter.ends(portion);
    const seconds = Number(process.hrtime.bigint() - began) / 1e9;
    if (round >= 3) rates.push(Math.round(SEGMENT / MIB / seconds));
  }
  return rates.sort((a, b) => a - b)[4] as number;
}

function main(): void {
  const directory = mkdtempSync(join(tmpdir(), 'varve-bench-chunking-'));
  process.once('SIGINT', () => process.exit(130));
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  console.log(`${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}`);
  speed();
  for (const workload of releases(join(directory, 'releases'))) report(workload);
  report(dumps(join(directory, 'dumps')));
  const disk = images(join(directory, 'images'));
  if (disk !== undefined) report(disk);
}

main();
