import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { scratchDirectory } from '../backup/sandbox.js';
import { outcome } from '../cli/varve.js';
import { listTree } from '../spec-reader/listing.js';
import { WHOLE } from '../whole.js';
import { ALL, type Command } from './case.js';
import { CASES } from './cases.js';
import type { Ran, Runs } from './run.js';
import { shareOf } from './share.js';

const FIXTURES = fileURLToPath(new URL('../../../fixtures/hostile', import.meta.url));
const RUN = fileURLToPath(new URL('./run.js', import.meta.url));
/** MiB of the heap of JavaScript, and of all memory. */
const [HEAP, MEMORY] = [256, 640];
/** Neither a stack, nor what a name might bring to a terminal. */
const STACK = /^ +at .*:\d+:\d+\)?$|node:internal/m;
const FOR_PEOPLE: readonly Command[] = ['restore', 'ls', 'stats'];
const CONTROL = /[^\P{C}\n]/u;

interface Described {
  readonly name: string;
  readonly what: string;
  readonly message?: string;
  readonly fails: readonly Command[];
  readonly mayFail?: readonly Command[];
  readonly endless?: readonly Command[];
  /** What a restore makes besides what is good; missing where there is no tree or it is not certain. */
  readonly restored?: readonly string[];
}

interface Prepared {
  /** Where the restore's target is, with what is not to be touched beside it. */
  readonly place: string;
  readonly untouched: readonly unknown[];
  readonly commands: readonly Command[];
  readonly runs: readonly (readonly string[])[];
}

interface Result extends Pick<Prepared, 'place' | 'untouched'> {
  readonly ran: ReadonlyMap<Command, Ran>;
  /** KiB that the process took at the most. */
  readonly memory: number;
}

/** Cases that one process takes after each other. */
const AT_ONCE = WHOLE ? 1 : 4;

const around = (place: string) => listTree(place).filter(({ path }) => !/^target(\/|$)/.test(path));

const { password, cases } = JSON.parse(readFileSync(join(FIXTURES, 'cases.json'), 'utf8')) as {
  password: string;
  cases: readonly Described[];
};

describe('repositories of an attacker with a key', { concurrency: 2 }, () => {
  const scratch = scratchDirectory();
  let number = 0;

  before(() => writeFileSync(join(scratch, 'password'), `${password}\n`, { mode: 0o600 }));

  /** Copies the repository of a case, and makes what its restore must not touch. */
  function prepare(described: Described): Prepared {
    const place = join(scratch, `${number++}`, 'place');
    mkdirSync(join(place, 'target'), { recursive: true });
    mkdirSync(join(place, 'outside'));
    for (const path of ['precious', 'outside/precious']) writeFileSync(join(place, path), 'untouched');
    const repository = join(place, '..', 'repository');
    cpSync(join(FIXTURES, described.name), repository, { recursive: true });
    // One that is ahead of the clock is never the latest.
    const [id = 'latest'] = readdirSync(join(repository, 'snapshots'));
    const args: Record<Command, readonly string[]> = {
      restore: ['restore', id, '--target', join(place, 'target')],
      ls: ['ls', '-l', id],
      dump: ['dump', id, '/'],
      zip: ['dump', id, '/', '--archive', 'zip'],
      cat: ['cat', 'tree', `${id}:/bad`],
      stats: ['stats', '--mode', 'raw-data'],
    };
    const global = ['--repo', repository, '--password-file', join(scratch, 'password'), '--no-cache'];
    const commands = ALL.filter((command) => !described.endless?.includes(command));
    const runs = commands.map((command) => [...global, ...args[command]]);
    return { place, untouched: around(place), commands, runs };
  }

  /** Runs all commands on a few cases in one process. */
  async function runAll(cases: readonly Described[]): Promise<readonly Result[]> {
    const prepared = cases.map(prepare);
    const runs = prepared.flatMap((each) => each.runs);
    const child = spawn(process.execPath, [`--max-old-space-size=${HEAP}`, RUN, JSON.stringify(runs)], {
      timeout: 60_000 * cases.length,
    });
    const { code, out, err } = await outcome(child);
    const names = cases.map(({ name }) => name).join(', ');
    assert.equal(code, 0, `it crashed at one of ${names}: ${err.slice(0, 5000)}`);
    assert.equal(err, '');
    const { runs: all, memory } = JSON.parse(out) as Runs;
    const left = [...all];
    return prepared.map(({ commands, ...each }) => ({
      ...each,
      ran: new Map(commands.map((command) => [command, left.shift() as Ran])),
      memory,
    }));
  }

  it('all exist and are described', () => {
    assert.deepEqual(
      cases.map(({ name }) => name),
      CASES.map(({ name }) => name),
      'run `npm run fixtures:hostile`',
    );
    assert.deepEqual(readdirSync(FIXTURES).sort(), [...cases.map(({ name }) => name), 'cases.json'].sort());
  });

  const share = shareOf(cases);
  const batches = new Map<number, Promise<readonly Result[]>>();
  const resultOf = async (at: number): Promise<Result> => {
    const first = at - (at % AT_ONCE);
    const batch = batches.get(first) ?? runAll(share.slice(first, first + AT_ONCE));
    batches.set(first, batch);
    return (await batch)[at - first] as Result;
  };

  for (const [at, each] of share.entries()) {
    it(`${each.name}: ${each.what}`, async (test) => {
      const { place, untouched, ran, memory } = await resultOf(at);
      assert.deepEqual(around(place), untouched);
      test.diagnostic(`${memory >> 10} MiB of memory`);
      assert.ok(memory < MEMORY * 1024, `${memory >> 10} MiB of memory`);
      const { message, fails, mayFail = [] } = each;
      for (const [command, { code, err, out }] of ran) {
        const failed = code !== 0;
        const told = `${command}: exit code ${code}: ${err.slice(0, 2000)}`;
        assert.ok(code === 0 || code === 1, told);
        if (!mayFail.includes(command)) assert.equal(failed, fails.includes(command), told);
        // What begins at a directory has its paths from there.
        const expected = command === 'cat' ? message?.replace('/bad', '/') : message;
        if (failed && expected !== undefined) assert.match(err, new RegExp(expected), told);
        assert.doesNotMatch(err, STACK, told);
        assert.doesNotMatch(FOR_PEOPLE.includes(command) ? err + out : err, CONTROL, told);
      }
      if (each.restored === undefined) return;
      const wanted = ['bad', ...each.restored, 'good', 'good/kept'];
      assert.deepEqual(
        listTree(join(place, 'target')).map(({ path }) => path),
        wanted,
      );
    });
  }
});
