import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { initRepository } from '../../src/repository/opening/open.js';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { MAIN } from '../cli/main-program.js';
import { assertEqualTrees } from '../fidelity/compare.js';
import { type Inventory, inventory } from '../fidelity/inventory.js';
import { seeded } from '../filesystem/random.js';
import { makeMixedTree, type TreeSize } from './mixed-tree.js';
import { mib } from './rounds.js';

export interface RestoreKillOptions {
  readonly directory: string;
  /** Kills; restores that had ended before they were to be killed do not count. */
  readonly rounds: number;
  readonly size: TreeSize;
  readonly seed: number;
  readonly log: (line: string) => void;
}

export interface RestoreKillFigures {
  kills: number;
  /** Restores that had ended before. */
  finished: number;
  /** Kills that left no file, some files, all of them. */
  readonly left: { nothing: number; some: number; all: number };
  /** What stood under its name after the kills, all of it right. */
  filesStanding: number;
  bytesStanding: number;
  /** Files under other names, and what was right in them. */
  parts: number;
  bytesInParts: number;
  /** What the restores after the kills wrote, of how much. */
  bytesWritten: number;
  bytesAll: number;
}

const PASSWORD = 'pebble';
/** Bytes of a part that may be of no use: what belongs to chunks that were not written to their end. */
const CUT_SHORT = 2 * 2 ** 20;
const TEMPORARY = /^\.varve-/;

/** Kills restores with SIGKILL at random moments, looks at what they left, and runs them again: then everything must be there. */
export async function restoreKillRounds(options: RestoreKillOptions): Promise<RestoreKillFigures> {
  const { rounds, seed, log } = options;
  const random = seeded(seed);
  const place = await Place.create(options);
  const figures: RestoreKillFigures = {
    kills: 0,
    finished: 0,
    left: { nothing: 0, some: 0, all: 0 },
    filesStanding: 0,
    bytesStanding: 0,
    parts: 0,
    bytesInParts: 0,
    bytesWritten: 0,
    bytesAll: 0,
  };
  const { bytes, ...first } = await place.first();
  let { duration } = first;
  log(`a restore of ${mib(bytes)} takes ${Math.round(duration)} ms`);
  for (let round = 1; figures.kills < rounds; round++) {
    const milliseconds = Math.floor(((150 + random.below(900)) / 1000) * duration);
    const line = await place.round(milliseconds, figures);
    if (line === undefined) duration *= 0.97;
    log(`round ${round}: killed after ${milliseconds} ms: ${line ?? 'it had ended'}`);
  }
  return figures;
}

class Place {
  readonly #source: string;
  readonly #directory: string;
  readonly #target: string;
  readonly #inventory: Inventory;
  /** Of a whole restore. */
  #bytes = 0;

  private constructor(directory: string, source: string) {
    this.#directory = directory;
    this.#source = source;
    this.#target = join(directory, 'restored');
    this.#inventory = inventory(source);
  }

  static async create({ directory, size, seed }: RestoreKillOptions): Promise<Place> {
    const source = join(directory, 'source');
    mkdirSync(source, { recursive: true });
    makeMixedTree(source, size, seed);
    const store = new LocalStore(join(directory, 'repository'));
    await initRepository(store, { unlock: { password: PASSWORD }, user: 'anna', host: 'test', logN: 10 });
    const place = new Place(directory, source);
    await ended(place.#varve('backup', source));
    return place;
  }

  /** A whole restore; says how long it takes. */
  async first(): Promise<{ duration: number; bytes: number }> {
    const started = performance.now();
    const { written, bytes } = await this.#restore();
    const duration = performance.now() - started;
    assert.equal(written, bytes, 'a restore to an empty folder writes everything');
    this.#checkTarget();
    rmSync(this.#target, { recursive: true });
    this.#bytes = bytes;
    return { duration, bytes };
  }

  /** @returns what was found; undefined when the restore had ended before it was to be killed */
  async round(milliseconds: number, figures: RestoreKillFigures): Promise<string | undefined> {
    const child = this.#varve('restore', 'latest', '--target', this.#target);
    const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds);
    const hasEnded = await ended(child).then(
      () => true,
      (cause) => {
        if (child.signalCode === 'SIGKILL') return false;
        throw cause;
      },
    );
    clearTimeout(timer);
    const left = this.#lookAtTarget();
    const { written } = await this.#restore();
    this.#checkTarget();
    rmSync(this.#target, { recursive: true });
    const useful = Math.max(0, left.bytesInParts - left.parts * CUT_SHORT);
    assert.ok(
      written + left.bytesStanding + useful <= this.#bytes,
      `${written} of ${this.#bytes} bytes were written although ${left.bytesStanding} stood there, and ${left.bytesInParts} in parts`,
    );
    if (hasEnded) {
      figures.finished++;
      assert.equal(written, 0, 'nothing is written when all is there');
      return undefined;
    }
    figures.kills++;
    const most = [...this.#inventory.values()].filter((facts) => facts.get('type') === 'f').length;
    figures.left[left.files === 0 ? 'nothing' : left.files === most ? 'all' : 'some']++;
    figures.filesStanding += left.files;
    figures.bytesStanding += left.bytesStanding;
    figures.parts += left.parts;
    figures.bytesInParts += left.bytesInParts;
    figures.bytesWritten += written;
    figures.bytesAll += this.#bytes;
    return `${left.files} files stood there with ${mib(left.bytesStanding)}, ${left.parts} parts with ${mib(left.bytesInParts)}; ${mib(written)} written then`;
  }

  /** Every file that stands under its name must be whole. */
  #lookAtTarget() {
    const root = this.#target + this.#source;
    let found: Inventory;
    try {
      found = inventory(root);
    } catch {
      return { files: 0, bytesStanding: 0, parts: 0, bytesInParts: 0 };
    }
    const standing: string[] = [];
    const left = { files: 0, bytesStanding: 0, parts: 0, bytesInParts: 0 };
    for (const [path, facts] of found) {
      if (facts.get('type') !== 'f') continue;
      if (TEMPORARY.test(path.slice(path.lastIndexOf('/') + 1))) {
        left.parts++;
        left.bytesInParts += this.#rightBytes(root, path);
        continue;
      }
      const wanted = this.#inventory.get(path);
      assert.ok(wanted, `${path} is in the target, and not in the source`);
      for (const what of ['size', 'sha256'])
        assert.equal(facts.get(what), wanted.get(what), `${path} stands under its name with another ${what}`);
      standing.push(path);
    }
    left.files = standing.length;
    left.bytesStanding = this.#bytesOf(standing);
    return left;
  }

  /** At least what a restore counts for them: no file twice, and none with holes. */
  #bytesOf(paths: readonly string[]): number {
    const counted = new Map<string, number>();
    for (const path of paths) {
      const facts = this.#inventory.get(path);
      const [size, blocks] = [Number(facts?.get('size') ?? 0), Number(facts?.get('blocks'))];
      if (facts?.get('type') === 'f' && blocks * 512 >= size) counted.set(facts.get('linked to') ?? path, size);
    }
    return [...counted.values()].reduce((sum, size) => sum + size, 0);
  }

  /** Bytes of a part, in blocks that are not zeros, that are as in that file of the source, in the same directory, which it is like most. */
  #rightBytes(root: string, part: string): number {
    const bytes = readFileSync(join(root, part));
    const directory = dirname(part);
    const others = readdirSync(join(this.#source, directory), { withFileTypes: true }).filter((each) => each.isFile());
    const counts = others.map(({ name }) => equalBytes(bytes, readFileSync(join(this.#source, directory, name))));
    return Math.max(0, ...counts);
  }

  #checkTarget(): void {
    const names = readdirSync(this.#target, { recursive: true, encoding: 'latin1' });
    const leftovers = names.filter((path) => TEMPORARY.test(path.slice(path.lastIndexOf('/') + 1)));
    assert.deepEqual(leftovers, [], 'no temporary file is left');
    assertEqualTrees(this.#inventory, this.#target + this.#source);
  }

  async #restore(): Promise<{ written: number; bytes: number }> {
    const text = await ended(this.#varve('restore', 'latest', '--target', this.#target, '--json'));
    const summary = JSON.parse(text.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
    assert.equal(summary['message_type'], 'summary', text);
    // The summary leaves out a figure that is zero.
    return { written: Number(summary['bytes_restored'] ?? 0), bytes: Number(summary['total_bytes'] ?? 0) };
  }

  #varve(...args: readonly string[]) {
    const env = {
      PATH: process.env['PATH'],
      HOME: this.#directory,
      VARVE_REPOSITORY: join(this.#directory, 'repository'),
      VARVE_PASSWORD: PASSWORD,
      VARVE_CACHE_DIR: join(this.#directory, 'cache'),
    };
    return spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  }
}

const BLOCK = 4096;
const ZEROS = Buffer.alloc(BLOCK);

function equalBytes(left: Buffer, right: Buffer): number {
  let equal = 0;
  for (let at = 0; at + BLOCK <= Math.min(left.length, right.length); at += BLOCK) {
    const block = left.subarray(at, at + BLOCK);
    if (block.equals(right.subarray(at, at + BLOCK)) && !block.equals(ZEROS)) equal += BLOCK;
  }
  return equal;
}

/** @throws when it ends with anything but 0 */
function ended(child: ReturnType<typeof spawn>): Promise<string> {
  let [out, err] = ['', ''];
  child.stdout?.on('data', (chunk) => (out += chunk));
  child.stderr?.on('data', (chunk) => (err += chunk));
  return new Promise((resolve, reject) => {
    child.on('close', (code) => {
      if (code === 0) resolve(out);
      else reject(new Error(`${child.spawnargs.slice(2).join(' ')}: exit code ${code}: ${out}${err}`));
    });
  });
}

/** The figures in one line. */
export function restoreSummary(figures: RestoreKillFigures): string {
  const { kills, finished, left, filesStanding, bytesStanding, parts, bytesInParts, bytesWritten, bytesAll } = figures;
  return `${kills} kills of a restore (left: no file ${left.nothing}, some ${left.some}, all ${left.all}; ${finished} more had ended before); ${filesStanding} files with ${mib(bytesStanding)} stood under their names, all right; ${parts} parts of files with ${mib(bytesInParts)} of right content; the restores after them wrote ${mib(bytesWritten)} of ${mib(bytesAll)}, ${mib(bytesAll - bytesStanding - bytesWritten)} less than what did not stand there; every target equal in the end`;
}
