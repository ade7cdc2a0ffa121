/** A process that reads a mount and prints a line for each path: its size and hash, its names, or the error of whoever reads it. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { errnoCode } from '../../src/errors/errors.js';

const [root = '', ...paths] = process.argv.slice(2);

function read(path: string): void {
  const whole = join(root, path);
  let line: string;
  let names: string[] = [];
  try {
    const stat = lstatSync(whole);
    if (stat.isDirectory()) {
      names = readdirSync(whole).sort();
      line = `directory ${names.length}`;
    } else if (stat.isSymbolicLink()) line = `link ${readlinkSync(whole)}`;
    else if (stat.isFile()) line = createHash('sha256').update(readFileSync(whole)).digest('hex');
    else line = 'special';
  } catch (cause) {
    line = errnoCode(cause) ?? String(cause);
  }
  process.stdout.write(`${path}\t${line}\n`);
  for (const name of names) read(join(path, name));
}

for (const path of paths) read(path);
