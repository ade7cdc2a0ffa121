import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MAIN } from '../cli/main-program.js';
import { output } from './commands.js';
import { compareTrees } from './compare.js';
import { makeDistribution } from './distribution-tree.js';
import { makeHome } from './home-tree.js';
import { inventory } from './inventory.js';

/**
 * Backs up the root of a distribution as root, and a home directory as somebody else, with the command line; restores both, and holds them
 * against the originals: `npm run test:distribution`.
 */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

function say(text: string): void {
  console.log(text);
}

function varve(directory: string, ...args: readonly string[]): number {
  const started = performance.now();
  execFileSync(process.execPath, [MAIN, '-q', ...args], {
    env: {
      PATH: process.env['PATH'],
      HOME: directory,
      VARVE_REPOSITORY: join(directory, 'repository'),
      VARVE_PASSWORD: 'pebble',
      VARVE_CACHE_DIR: join(directory, 'cache'),
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return (performance.now() - started) / 1000;
}

/** What a tree holds, in words. */
function contents(source: string): string {
  const all = [...inventory(source).values()];
  const count = (is: (facts: (typeof all)[number]) => boolean): number => all.filter(is).length;
  const bytes = all.reduce((sum, facts) => sum + Number(facts.get('size') ?? 0), 0);
  const attributes = count((facts) => [...facts.keys()].some((name) => /^xattr (user|trusted)/.test(name)));
  return [
    `${all.length} paths with ${Math.round(bytes / 2 ** 20)} MiB`,
    `${count((facts) => facts.has('capabilities'))} with capabilities`,
    `${count((facts) => facts.has('ACL'))} with lists`,
    `${attributes} with attributes`,
    `${count((facts) => facts.has('linked to'))} hard links`,
    `${count((facts) => facts.has('device'))} devices`,
    `${count((facts) => /^[2467]...$/.test(facts.get('mode') ?? ''))} with setuid or setgid`,
  ].join(', ');
}

/** @returns whether what is restored equals the source */
function check(directory: string, source: string): boolean {
  say(contents(source));
  varve(directory, 'init');
  say(`first backup: ${varve(directory, 'backup', source).toFixed(1)} s`);
  say(`second backup: ${varve(directory, 'backup', source).toFixed(1)} s`);
  const target = join(directory, 'restored');
  say(`restore: ${varve(directory, 'restore', 'latest', '--target', target).toFixed(1)} s`);
  const words = [
    'rsync',
    '-aHAXSnc',
    '--numeric-ids',
    '--delete',
    '--itemize-changes',
    `${source}/`,
    `${target}${source}/`,
  ];
  const itemized = output('/', words);
  say(`${words.slice(0, -2).join(' ')} SOURCE/ RESTORED/ prints ${itemized === '' ? 'nothing' : `:\n${itemized}`}`);
  const differences = compareTrees(source, target + source);
  say(`find, sha256sum, getfattr, getfacl, getcap: ${differences.length} differences`);
  for (const each of differences.slice(0, 50)) say(JSON.stringify(each));
  return itemized === '' && differences.length === 0;
}

function checkHome(directory: string): boolean {
  const source = join(directory, 'home');
  makeHome(source);
  return check(directory, source);
}

function checkAll(): boolean {
  const directory = mkdtempSync(join(tmpdir(), 'varve-distribution-'));
  chmodSync(directory, 0o755);
  try {
    if (!isRoot) {
      say('not root: only a home directory is tried');
      return checkHome(directory);
    }
    const source = join(directory, 'distribution');
    say(`as root: ${makeDistribution(source, directory)}`);
    return check(directory, source) && checkAsNobody(join(directory, 'nobody'));
  } finally {
    spawnSync('rm', ['-rf', directory]);
  }
}

/** The same program with the ids of a normal user. */
function checkAsNobody(directory: string): boolean {
  mkdirSync(directory);
  execFileSync('chown', [String(NOBODY), directory]);
  say('\nas a normal user: a home directory');
  const { status } = spawnSync(process.execPath, [new URL(import.meta.url).pathname, directory], {
    uid: NOBODY,
    gid: NOBODY,
    cwd: '/',
    stdio: 'inherit',
  });
  return status === 0;
}

const [home] = process.argv.slice(2);
if (!(home === undefined ? checkAll() : checkHome(home))) process.exitCode = 1;
