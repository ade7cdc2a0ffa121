import { renameSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Puts links in the place of directories for a moment, over and over, until it is ended: `node swapper.js DIRECTORY TARGET NAME…`. Prints a line
 * when it begins, and how often it did so once it is told to end.
 */
const [directory = '', target = '', ...names] = process.argv.slice(2);
let swaps = 0;
let going = true;

function swap(name: string): void {
  const path = join(directory, name);
  try {
    renameSync(path, `${path}.aside`);
    try {
      symlinkSync(target, path);
      swaps++;
      for (const until = performance.now() + 0.2; performance.now() < until; );
      unlinkSync(path);
    } finally {
      renameSync(`${path}.aside`, path);
    }
  } catch {
    // Not there yet, or the restore has put something in the way.
  }
}

function round(): void {
  for (const name of names) swap(name);
  if (going) setImmediate(round);
  else process.stdout.write(`${swaps}\n`);
}

process.stdin.once('data', () => {
  going = false;
  process.stdin.destroy();
});
process.stdout.write('begun\n');
round();
