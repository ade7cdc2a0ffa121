import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { seeded } from '../filesystem/random.js';
import { content } from './source.js';

const MIB = 2 ** 20;
const DIRECTORIES = 23;
const PIECES = 12;

export interface TreeSize {
  readonly small: number;
  readonly medium: number;
  /** MiB of each. */
  readonly large: readonly number[];
}

/** Some 3,000 files of all sizes. */
export const WHOLE: TreeSize = { small: 2700, medium: 200, large: [30, 45, 100] };
export const FEW: TreeSize = { small: 500, medium: 60, large: [12, 33] };
export const LEAST: TreeSize = { small: 200, medium: 20, large: [20] };

/** A tree in which a restore has everything to do: files of all sizes, with holes, hard links, attributes; all of it follows from the seed. */
export function makeMixedTree(root: string, { small, medium, large }: TreeSize, seed: number): void {
  const random = seeded(seed);
  const paths: string[] = [];
  const write = (name: string, size: number): void => {
    const directory = join(root, `folder ${random.below(DIRECTORIES)}`, `sub ${random.below(5)}`);
    mkdirSync(directory, { recursive: true });
    const path = join(directory, name);
    writeFileSync(path, content(`${seed} ${name}`, size, random.below(2) === 0));
    paths.push(path);
  };
  for (let i = 0; i < small; i++) write(`small ${i}`, random.below(24_000));
  for (let i = 0; i < medium; i++) write(`medium ${i}`, 50_000 + random.below(MIB));
  for (const [i, mebibytes] of large.entries()) write(`large ${i}`, mebibytes * MIB + random.below(MIB));
  for (const [i, mebibytes] of [40, 200].entries()) writeSparse(join(root, `sparse ${i}`), mebibytes * MIB, random);
  for (let i = 0; i < 50; i++) linkSync(random.pick(paths), join(root, `hard link ${i}`));
  for (let i = 0; i < 20; i++) symlinkSync(`nowhere ${i}`, join(root, `link ${i}`));
  const tenth = paths.filter((_, i) => i % 10 === 0);
  execFileSync('xargs', ['-0', 'setfattr', '-n', 'user.comment', '-v', 'a tenth have it'], { input: tenth.join('\0') });
  for (const path of paths) {
    if (random.below(8) === 0) chmodSync(path, random.pick([0o400, 0o755, 0o640, 0o4711]));
    utimesSync(path, 1_000_000_000, 1_000_000_000 + random.below(1_000_000) / 1000);
  }
}

function writeSparse(path: string, size: number, random: ReturnType<typeof seeded>): void {
  const file = openSync(path, 'w');
  ftruncateSync(file, size);
  for (let i = 0; i < PIECES; i++) {
    const data = content(`${path} ${i}`, 1 + random.below(MIB), false);
    writeSync(file, data, 0, data.length, random.below(size - MIB));
  }
  closeSync(file);
}
