import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { listOf, output } from './commands.js';
import { type Facts, type Inventory, inventory } from './inventory.js';
import { type Stretch, withStretches } from './stretches.js';

/** One thing in which two trees differ. */
export interface Difference {
  /** Bytes as characters. */
  readonly path: string;
  readonly what: string;
  readonly expected: string | undefined;
  readonly found: string | undefined;
}

/** Of 512 bytes each: how much a file system may differ in what it takes for the same file. */
const BLOCKS_OF_SLACK = 48;
const SHOWN = 20;
const RSYNC = [
  'rsync',
  '-naHAXS',
  '--numeric-ids',
  '--checksum',
  '--delete',
  '--itemize-changes',
  '--modify-window=-1',
];

/**
 * Holds a tree against another by what rsync, find, stat, sha256sum, getfattr, getfacl and getcap say of them: nothing of varve has a part in it.
 *
 * @param expected the original, or an inventory of it that was made earlier: then, and when paths are missing, rsync is not asked
 */
export function compareTrees(expected: string | Buffer | Inventory, found: string | Buffer): Difference[] {
  const left = expected instanceof Map ? (expected as Inventory) : inventory(expected as string | Buffer);
  const differences = compareInventories(left, inventory(found));
  if (expected instanceof Map || differences.some(({ what }) => what === 'path')) return differences;
  return [...differences, ...askRsync(expected as string | Buffer, found, [...left.keys()])];
}

/** @throws AssertionError that shows the first differences */
export function assertEqualTrees(expected: string | Buffer | Inventory, found: string | Buffer): void {
  assertNone(compareTrees(expected, found));
}

export function assertNone(differences: readonly Difference[]): void {
  if (differences.length === 0) return;
  const lines = differences.slice(0, SHOWN).map(describe);
  assert.fail(`the trees differ in ${differences.length} things:\n${lines.join('\n')}`);
}

function describe({ path, what, expected, found }: Difference): string {
  const shown = (value: string | undefined): string =>
    value === undefined ? 'nothing' : JSON.stringify(value.slice(0, 200));
  return `${JSON.stringify(path.slice(-200))}: ${what}: expected ${shown(expected)}, found ${shown(found)}`;
}

export function compareInventories(expected: Inventory, found: Inventory): Difference[] {
  const paths = new Set([...expected.keys(), ...found.keys()]);
  return [...paths].flatMap((path) => {
    const [left, right] = [expected.get(path), found.get(path)];
    if (left !== undefined && right !== undefined) return compareFacts(path, left, right);
    return [{ path, what: 'path', expected: left?.get('type'), found: right?.get('type') }];
  });
}

function compareFacts(path: string, expected: Facts, found: Facts): Difference[] {
  const names = new Set([...expected.keys(), ...found.keys()]);
  return [...names].flatMap((what) => {
    const [left, right] = [expected.get(what), found.get(what)];
    if (left === right || (what === 'blocks' && nearly(Number(left), Number(right)))) return [];
    return [{ path, what, expected: left, found: right }];
  });
}

const nearly = (a: number, b: number): boolean => Math.abs(a - b) <= BLOCKS_OF_SLACK + Math.max(a, b) / 100;

/** What rsync would do to make the second tree like the first, a line each. */
function askRsync(expected: string | Buffer, found: string | Buffer, paths: readonly string[]): Difference[] {
  return withStretches(expected, paths, (sources) =>
    withStretches(found, paths, (targets) =>
      sources.flatMap((source, i) => itemized(source, (targets[i] as Stretch).directory)),
    ),
  );
}

function itemized({ directory, prefix, beyond }: Stretch, target: string): Difference[] {
  const excluded = listOf(beyond.map((path) => `/${path.replace(/[\\*?[\]]/g, '\\$&')}/**`));
  const rules = beyond.length === 0 ? [] : ['--from0', '--exclude-from=-'];
  const text = output('/', [...RSYNC, ...rules, `${directory}/`, `${target}/`], excluded);
  // Whom rsync does not trust with devices, it tells so; overlay file systems let everybody make some.
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('skipping non-regular file'));
  return lines.map((line) => ({ path: prefix, what: 'rsync', expected: undefined, found: line }));
}
