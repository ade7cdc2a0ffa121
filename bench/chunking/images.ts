import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { numbers, type Workload } from './workload.js';

const SOURCE = '/usr/share';
const STATES = 4;
const IMAGE_MIB = 512;
const CONTENT_BYTES = 320 * 1024 * 1024;
/** Fractions of the files that get another line, are removed, and are added between two states. */
const EDITED = 0.01;
const REMOVED = 0.003;
const ADDED = 0.005;

/** An ext4 image in successive states, changed through the file system's own code; undefined without mke2fs and debugfs. */
export function images(directory: string): Workload | undefined {
  const tree = join(directory, 'tree');
  mkdirSync(tree, { recursive: true });
  const count = gather(SOURCE, tree);
  const files = [join(directory, 'state-0.img')];
  try {
    const options = ['-q', '-t', 'ext4', '-d', tree, '-E', 'hash_seed=00112233-4455-6677-8899-aabbccddeeff'];
    execFileSync('/usr/sbin/mke2fs', [...options, files[0] as string, `${IMAGE_MIB}M`], { stdio: 'pipe' });
    const next = numbers(30);
    for (let state = 1; state < STATES; state++) {
      const path = join(directory, `state-${state}.img`);
      copyFileSync(files.at(-1) as string, path);
      const commands = join(directory, 'commands');
      writeFileSync(commands, changes(tree, directory, count, state, next).join('\n'));
      execFileSync('/usr/sbin/debugfs', ['-w', '-f', commands, path], { stdio: 'pipe' });
      files.push(path);
    }
  } catch (error) {
    console.error(`no disk images: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
  return {
    name: 'disk images',
    about: `${STATES} states of a ${IMAGE_MIB} MiB ext4 image with ${count} files of ${SOURCE}; between two states ${EDITED * 100} % of the files are rewritten with a line more, ${REMOVED * 100} % removed, ${ADDED * 100} % added`,
    files,
  };
}

/** Copies files into the tree as f0, f1, … up to CONTENT_BYTES. @returns the number of files */
function gather(source: string, tree: string): number {
  let count = 0;
  let bytes = 0;
  const entries = readdirSync(source, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const path of paths.sort()) {
    const size = statSync(path).size;
    if (size > 16 * 1024 * 1024) continue;
    bytes += size;
    if (bytes > CONTENT_BYTES) break;
    copyFileSync(path, join(tree, `f${count++}`));
  }
  return count;
}

/** debugfs commands that take the image to the next state. */
function changes(tree: string, directory: string, count: number, state: number, next: () => number): string[] {
  const commands: string[] = [];
  const pick = (): string => `f${Math.floor(next() * count)}`;
  const edited = join(directory, `edited-${state}`);
  mkdirSync(edited);
  for (let i = 0; i < count * EDITED; i++) {
    const name = pick();
    const content = readFileSync(join(tree, name));
    const at = Math.floor(next() * content.length);
    const line = Buffer.from(`changed in state ${state}: ${next()}\n`);
    writeFileSync(join(edited, name), Buffer.concat([content.subarray(0, at), line, content.subarray(at)]));
    commands.push(`rm ${name}`, `write ${join(edited, name)} ${name}`);
  }
  for (let i = 0; i < count * REMOVED; i++) commands.push(`rm ${pick()}`);
  for (let i = 0; i < count * ADDED; i++) {
    const name = `new-${state}-${i}`;
    const seeds = Array.from({ length: 200 + Math.floor(next() * 5000) }, () => next().toFixed(9));
    writeFileSync(join(edited, name), seeds.join('\n'));
    commands.push(`write ${join(edited, name)} ${name}`);
  }
  return commands;
}
