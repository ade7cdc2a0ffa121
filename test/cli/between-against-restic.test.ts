import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { seeded } from '../filesystem/random.js';
import { Playground } from './varve.js';

const SEED = Number(process.env.VARVE_TEST_SEED ?? 20260131);
const STEPS = 2;
/** In each directory: restic 0.14 does not find a directory whose tree it saw, and left, elsewhere, which is so of empty ones. */
const KEEP = 'keep';
const place = new Playground();
const source = place.path('Source');
const { below, pick } = seeded(SEED);
const NAMES = ['a', 'b.txt', 'c.TXT', 'é', 'new\nline', 'x y', 'd', 'e'];

const restic = (...args: string[]): string => {
  const env = { ...place.env, RESTIC_PASSWORD: 'x', RESTIC_REPOSITORY: place.path('restic') };
  const { status, stdout, stderr } = spawnSync('restic', ['--no-cache', ...args], { env, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout;
};
const missing = spawnSync('restic', ['version']).status === 0 ? false : 'restic is not installed';

/** All that is below the source, directories before what is in them. */
const everything = (): string[] =>
  (readdirSync(source, { recursive: true }) as string[]).sort().map((path) => join(source, path));
const isDirectory = (path: string): boolean => lstatSync(path).isDirectory();

function make(path: string): void {
  if (existsSync(path) || lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
  const kind = below(8);
  if (kind < 2) {
    mkdirSync(path);
    writeFileSync(join(path, KEEP), path);
  } else if (kind === 2) symlinkSync(pick(NAMES), path);
  // Few contents, so that blobs are shared; small ones, so that each is one blob with both.
  else writeFileSync(path, Buffer.alloc(1 + below(5000), below(4)));
  if (kind > 1 && kind !== 2) utimesSync(path, 1_000_000_000 + below(10), 1_000_000_000);
}

function change(): void {
  const all = everything();
  const path = pick(all.filter((each) => !each.endsWith(KEEP)));
  const directories = [source, ...all.filter(isDirectory)];
  const fresh = join(pick(directories), pick(NAMES));
  const kind = below(7);
  if (kind < 2) make(fresh);
  else if (kind === 2) rmSync(path, { recursive: true });
  else if (kind === 3 && !lstatSync(path).isSymbolicLink())
    chmodSync(path, isDirectory(path) ? 0o711 : 0o600 + below(8));
  else if (kind === 4 && !isDirectory(path)) {
    rmSync(path);
    make(path);
  } else if (kind === 5 && lstatSync(path).isFile() && !existsSync(fresh)) linkSync(path, fresh);
  else if (kind === 6 && !existsSync(fresh) && !isDirectory(path)) renameSync(path, fresh);
}

interface Line {
  readonly path: string;
  readonly modifier: string;
}
interface Counts {
  readonly files: number;
  readonly dirs: number;
  readonly others: number;
  readonly data_blobs: number;
}
interface Statistics {
  readonly changed_files: number;
  readonly added: Counts;
  readonly removed: Counts;
}

function parse(out: string): { changes: Line[]; statistics: Statistics } {
  const lines = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line & Statistics);
  const statistics = lines.pop() as unknown as Statistics;
  return { changes: lines.filter(({ path }) => path.startsWith(`${source}/`)), statistics };
}

const told = (changes: readonly Line[]): string[] => changes.map(({ modifier, path }) => `${modifier} ${path}`);

describe(`the same between snapshots as restic (seed ${SEED})`, { skip: missing }, () => {
  /** Ids in the order in which they were made, of restic's and of ours. */
  const theirs: string[] = [];
  const ours: string[] = [];
  const links: Set<string>[] = [];

  before(async () => {
    mkdirSync(source);
    restic('init');
    await place.ok(['init']);
    for (let number = 0; number < 60; number++)
      make(join(pick([source, ...everything().filter(isDirectory)]), pick(NAMES)));
    for (let step = 0; step <= STEPS; step++) {
      if (step > 0) for (let number = 0; number < 12; number++) change();
      ours.push(await place.backup(source));
      restic('backup', source);
      const all = JSON.parse(restic('snapshots', '--json')) as { id: string }[];
      theirs.push(all.find(({ id }) => !theirs.includes(id))?.id ?? '');
      links.push(new Set(everything().filter((path) => lstatSync(path).isSymbolicLink())));
    }
  });

  /** Ours without what restic leaves out: links with another target, and the contents of directories that became something else. */
  function comparable(changes: readonly Line[], step: number): Line[] {
    const became = changes
      .filter(({ modifier }) => modifier.startsWith('T'))
      .map(({ path }) => path.replace(/\/$/, ''));
    return changes.filter(
      ({ path, modifier }) =>
        !became.some((directory) => path.startsWith(`${directory}/`) && path !== `${directory}/`) &&
        !(modifier === 'M' && links[step]?.has(path)),
    );
  }

  test('diff tells the same changes, and counts the same blobs', async () => {
    for (let step = 1; step <= STEPS; step++) {
      const mine = parse((await place.ok(['diff', '--json', ours[step - 1] ?? '', ours[step] ?? ''])).out);
      const its = parse(restic('diff', '--json', theirs[step - 1] ?? '', theirs[step] ?? ''));
      assert.ok(its.changes.length > 3);
      assert.deepEqual(told(comparable(mine.changes, step)), told(its.changes));
      assert.equal(mine.statistics.changed_files, its.statistics.changed_files);
      if (mine.changes.some(({ modifier }) => modifier === 'T')) continue;
      const counts = ({ files, dirs, others, data_blobs }: Counts) => [files, dirs, others, data_blobs];
      assert.deepEqual(counts(mine.statistics.added), counts(its.statistics.added));
      assert.deepEqual(counts(mine.statistics.removed), counts(its.statistics.removed));
    }
  });

  test('diff --metadata tells the same, but for folders in which only something else changed', async () => {
    for (let step = 1; step <= STEPS; step++) {
      const mine = parse(
        (await place.ok(['diff', '--json', '--metadata', ours[step - 1] ?? '', ours[step] ?? ''])).out,
      );
      const its = parse(restic('diff', '--json', '--metadata', theirs[step - 1] ?? '', theirs[step] ?? ''));
      const changed = new Set(mine.changes.map(({ path }) => path));
      const aboveOthers = ({ path, modifier }: Line): boolean =>
        modifier === 'U' && !changed.has(path) && [...changed].some((each) => each.startsWith(path));
      const linksAsTheirs = mine.changes.map((each) => ({
        ...each,
        modifier: links[step]?.has(each.path) && each.modifier === 'M' ? 'U' : each.modifier,
      }));
      assert.deepEqual(told(comparable(linksAsTheirs, step)), told(its.changes.filter((line) => !aboveOthers(line))));
    }
  });

  interface Found {
    readonly snapshot: string;
    readonly hits: number;
    readonly matches: readonly { readonly path: string; readonly permissions: string; readonly size?: number }[];
  }

  test('find finds the same', async () => {
    const searches = [
      ['*.txt', 'a'],
      ['-i', '*.TXT', 'É'],
      [`${source}/d`],
      [`${source}/*/*`],
      ['a/b.txt', 'd/*'],
      [`${source}/**/e`],
      ['new?line', 'nothing'],
      ['-N', '2001-09-09 01:46:45', 'a', '*.txt', 'd'],
      ['-O', '2001-09-09 01:46:43', '-N', '2001-09-09 01:46:46', '*'],
      ['-O', '2020-01-01', '*'],
    ];
    let total = 0;
    // restic 0.14 has the snapshots in no order.
    const plain = (results: readonly Found[], ids: readonly string[]) =>
      results
        .toSorted((a, b) => ids.indexOf(a.snapshot) - ids.indexOf(b.snapshot))
        .map(({ snapshot, hits, matches }) => {
          const inside = matches.filter(({ path }) => path.startsWith(source));
          total += inside.length;
          return {
            step: ids.indexOf(snapshot),
            hits: hits - (matches.length - inside.length),
            matches: inside.map(({ path, permissions, size = 0 }) => [path, permissions, size]),
          };
        });
    for (const args of searches) {
      const mine = await place.json<Found[]>(['find', ...args]);
      const its = JSON.parse(restic('find', '--json', ...args)) as Found[];
      assert.deepEqual(plain(mine, ours), plain(its, theirs), args.join(' '));
    }
    assert.ok(total > 100);
  });
});
