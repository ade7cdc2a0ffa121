import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Directory } from '../../src/filesystem/directory.js';
import { BackupFilter, type FilterSpec, NO_FILTER } from '../../src/filesystem/filter.js';
import { type PatternList, parsePatterns } from '../../src/filesystem/patterns.js';
import { WHOLE } from '../whole.js';
import { seeded } from './random.js';

const SEED = Number(process.env.VARVE_TEST_SEED ?? 20240611);
const ROUNDS = Number(process.env.VARVE_TEST_ROUNDS ?? (WHOLE ? 5 : 2));
const SIGNATURE = 'Signature: 8a477f597d28d172789f06886806bc55';

const NAMES = [
  'a',
  'b',
  'ab',
  'A',
  'a.o',
  'b.txt',
  'é',
  'É',
  'x[y',
  'a*b',
  'a\\b',
  '.h',
  '日本',
  'a-b',
  ']',
  '!a',
  'ΣΑΣ',
  ' a',
];
const GLOBS = ['*', '?', '??', '???', '*.o', 'a*', '*a*', '*b', '[ab]', '[^a]', '[a-b]?', '\\a', 'x\\[y', 'a\\*b'];
const MORE_GLOBS = [
  '*?b',
  '[é-ü]',
  '[^é]',
  '[日]*',
  '*本',
  '***',
  'a**b',
  '*a*b*',
  ']',
  '[^a-z]*',
  '[\\]]',
  '.',
  '..',
  '',
  'σας',
  '[*]',
];

const restic = (args: string[]) =>
  spawnSync('restic', ['--no-cache', ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: { ...process.env, RESTIC_PASSWORD: 'x' },
  });
const missing = spawnSync('restic', ['version']).status === 0 ? false : 'restic is not installed';

describe('the same choice as restic', { skip: missing }, () => {
  let base = '';
  let tree = '';
  let repository: string[] = [];

  before(() => {
    base = mkdtempSync(join(tmpdir(), 'varve-restic-'));
    tree = join(base, 'Tree');
    repository = ['-r', join(base, 'repository')];
    growTree(tree, seeded(7));
    const made = restic([...repository, 'init', '--repository-version', '1']);
    assert.equal(made.status, 0, made.stderr);
    assert.equal(restic([...repository, 'backup', tree]).status, 0);
  });
  after(() => rmSync(base, { recursive: true, force: true }));

  const kept = (options: string[]) => {
    const run = restic([...repository, 'backup', '--force', '--dry-run', '-vv', '--json', ...options, tree]);
    const items = [...run.stdout.matchAll(/"verbose_status","action":"new","item":("(?:[^"\\]|\\.)*")/g)];
    const inTree = items.map((item) => (JSON.parse(item[1] as string) as string).replace(/\/$/, ''));
    return inTree.filter((path) => path.startsWith(`${tree}/`)).sort();
  };

  it('with excludes', () => {
    const random = seeded(SEED);
    for (let round = 0; round < ROUNDS; round++) {
      const excludes = randomPatterns(random, tree);
      const iexcludes = random.below(2) === 0 ? randomPatterns(random, tree) : [];
      const spec: FilterSpec = { ...NO_FILTER, excludes, iexcludes };
      const options = [...excludes.map((one) => `--exclude=${one}`), ...iexcludes.map((one) => `--iexclude=${one}`)];
      same(select(spec, tree), kept(options), `seed ${SEED}, round ${round}: ${JSON.stringify(options)}`);
    }
  });

  it('with tag files and sizes', () => {
    for (const [options, spec] of [
      [['--exclude-caches'], { excludeCaches: true }],
      [['--exclude-if-present=b.txt'], { excludeIfPresent: ['b.txt'] }],
      [['--exclude-if-present=b.txt:7'], { excludeIfPresent: ['b.txt:7'] }],
      [
        ['--exclude-if-present=b.txt', '--exclude-if-present=a.o', '--exclude-caches'],
        { excludeIfPresent: ['b.txt', 'a.o'], excludeCaches: true },
      ],
      [['--exclude-larger-than=1k'], { excludeLargerThan: 1024 }],
    ] as [string[], Partial<FilterSpec>][])
      same(select({ ...NO_FILTER, ...spec }, tree), kept(options), options.join(' '));
  });

  it('with includes at restore', () => {
    const random = seeded(SEED + 1);
    for (let round = 0; round < ROUNDS; round++) {
      const includes = randomPatterns(random, tree);
      const target = join(base, `restored-${round}`);
      const options = includes.map((one) => `--include=${one}`);
      restic([...repository, 'restore', 'latest', `--target=${target}`, ...options]);
      const found = files(target).map((path) => path.slice(target.length));
      same(
        included(parsePatterns(includes), '', tree),
        found.sort(),
        `seed ${SEED}, round ${round}: ${JSON.stringify(options)}`,
      );
      rmSync(target, { recursive: true, force: true });
    }
  });
});

/** Says only where two lists differ. */
function same(ours: string[], theirs: string[], message: string): void {
  const more = ours.filter((path) => !theirs.includes(path)).slice(0, 5);
  const less = theirs.filter((path) => !ours.includes(path)).slice(0, 5);
  assert.deepEqual({ more, less }, { more: [], less: [] }, message);
}

type Random = ReturnType<typeof seeded>;

function growTree(path: string, random: Random, depth = 0): void {
  mkdirSync(path);
  for (const name of NAMES) {
    const at = join(path, name);
    const chance = random.below(10);
    if (chance < 3 && depth < 3) growTree(at, random, depth + 1);
    else if (chance < 7) writeFileSync(at, `${random.below(10)}`.repeat(1 + random.below(2) * 1024));
  }
  if (random.below(5) === 0) writeFileSync(join(path, 'CACHEDIR.TAG'), random.below(2) === 0 ? `${SIGNATURE}\n` : 'no');
}

/** One `**` a pattern at most: restic wants one component of room for each further one, which is not as documented. */
function randomPatterns(random: Random, tree: string): string[] {
  const part = () =>
    random.pick([NAMES, NAMES, GLOBS, MORE_GLOBS][random.below(4)] as string[]).replace('x[y', 'x\\[y');
  return Array.from({ length: 1 + random.below(4) }, () => {
    const parts = Array.from({ length: 1 + random.below(4) }, part);
    if (random.below(3) === 0) parts.splice(random.below(parts.length + 1), 0, '**');
    const start = random.pick(['', '', '', '/', `${tree}/`, `${tree}/`, `${tree}/*/`, './']);
    const sign = random.below(4) === 0 ? '!' : '';
    return `${sign}${start}${parts.join('/')}${random.below(6) === 0 ? '/' : ''}` || 'a';
  });
}

/** What a backup of the tree would contain, as restic lists it. */
function select(spec: FilterSpec, tree: string): string[] {
  const filter = new BackupFilter(spec);
  const found: string[] = [];
  const visit = (path: string) => {
    const bytes = Buffer.from(path);
    const stat = lstatSync(path);
    const type = stat.isDirectory() ? 'directory' : 'file';
    if (filter.rejectPath(bytes) !== undefined) return;
    if (filter.rejectNode(type, stat.size, stat.dev, stat.dev) !== undefined) return;
    if (path !== tree) found.push(path);
    if (type === 'file') return;
    const contents = filter.rejectTagged(Directory.unopened(bytes));
    for (const name of readdirSync(path)) {
      if (contents === undefined || contents.kept?.equals(Buffer.from(name))) visit(join(path, name));
    }
  };
  visit(tree);
  return found.sort();
}

function files(path: string): string[] {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return [];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? files(join(path, entry.name)) : [join(path, entry.name)],
  );
}

/** The files below a tree that a restore with these includes would write: it comes down from the root. */
function included(list: PatternList, above: string, tree: string): string[] {
  const below = (path: string): string[] => {
    const match = list.match(Buffer.from(path));
    if (lstatSync(path).isFile()) return match.matched ? [path] : [];
    if (!match.childMayMatch) return [];
    if (!tree.startsWith(`${path}/`)) return readdirSync(path).flatMap((name) => below(join(path, name)));
    return below(`${path}/${tree.slice(path.length + 1).split('/')[0]}`);
  };
  return below(`${above}/${tree.split('/')[1]}`).sort();
}
