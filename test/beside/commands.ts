/**
 * Commands that run in loops beside each other, as processes, on one repository. Each loop waits only for itself.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { assertSameTree } from '../backup/tree-image.js';
import { type Outcome, Playground } from '../cli/varve.js';

/** What a command may end with: done, or another holds the repository, whom the message names. */
const HELD = 11;
const HOLDER = /process \d+/;
const PACKS = ['--pack-size', '4'];
/** So many snapshots stay that those that a command has chosen are not forgotten while it runs. */
const KEPT = '12';

export interface Loop {
  readonly name: string;
  /** @param round counts from 0 */
  run(place: Playground, round: number): Promise<Outcome[]>;
}

/** How often a command ran, and how often it found the repository held. */
export interface Count {
  runs: number;
  held: number;
}

const single =
  (...args: string[]) =>
  async (place: Playground): Promise<Outcome[]> => [await place.run(args)];

/** Changes a third of the files of a source, so that packs hold what is needed beside what is not. */
function change(place: Playground, name: string, round: number): string {
  const source = place.path(name);
  mkdirSync(source, { recursive: true });
  for (let file = round % 3; file < 12; file += 3) writeFileSync(`${source}/${file}`, randomBytes(randomInt(60_000)));
  return source;
}

const backup =
  (name: string): Loop['run'] =>
  async (place, round) => {
    return [await place.run(['backup', change(place, name, round), ...PACKS])];
  };

async function restore(place: Playground): Promise<Outcome[]> {
  const target = place.path('restored');
  const outcome = await place.run(['restore', 'latest', '--target', target, '--path', place.path('steady')]);
  if (outcome.code === 0) assertSameTree(`${target}${place.path('steady')}`, place.path('steady'));
  rmSync(target, { recursive: true, force: true });
  return [outcome];
}

/** Every kind of change of keys, one after the other, with a key of its own. */
async function changeKeys(place: Playground, round: number): Promise<Outcome[]> {
  if (round % 3 === 2) return [await place.run(['key', 'rotate'])];
  const file = place.path(`key ${round}`);
  writeFileSync(file, randomBytes(32), { mode: 0o600 });
  if (round % 3 === 1) {
    const changed = await place.run(['key', 'passwd', '--new-key-file', file], {
      env: { VARVE_KEY_FILE: place.path('third key') },
    });
    if (changed.code === 0) execFileSync('mv', [file, place.path('third key')]);
    return [changed];
  }
  const added = await place.run(['key', 'add', '--new-key-file', file, '--json']);
  if (added.code !== 0) return [added];
  const { id } = JSON.parse(added.out.trimEnd().split('\n').at(-1) ?? '') as { id: string };
  return [added, await place.run(['key', 'remove', id])];
}

async function copy(place: Playground): Promise<Outcome[]> {
  const env = {
    VARVE_REPOSITORY: place.repository('other'),
    VARVE_FROM_REPOSITORY: place.repository(),
    VARVE_FROM_KEY_FILE: place.path('key'),
  };
  return [await place.run(['copy', 'latest', '--path', place.path('steady'), ...PACKS], { env })];
}

/** Leaves out another file of a source each time. */
async function rewrite(place: Playground, round: number): Promise<Outcome[]> {
  const excludes = ['--exclude', String(round % 12)];
  return [await place.run(['rewrite', 'latest', '--path', place.path('one'), '--forget', ...excludes])];
}

export const LOOPS: readonly Loop[] = [
  { name: 'backup', run: backup('one') },
  { name: 'backup beside', run: backup('two') },
  {
    name: 'forget --prune',
    run: single('forget', '--keep-last', KEPT, '--prune', '--grace', '0', '--max-unused', '0', ...PACKS),
  },
  { name: 'check', run: single('check') },
  { name: 'repair index', run: single('repair', 'index') },
  { name: 'keys', run: changeKeys },
  { name: 'restore', run: restore },
  { name: 'ls', run: single('ls', 'latest') },
  { name: 'copy', run: copy },
  { name: 'rewrite', run: rewrite },
];

/** A repository with a source that nobody changes, one to copy to, and a further key. */
export async function prepare(): Promise<Playground> {
  const place = new Playground();
  await place.ok(['init']);
  await place.ok(['init'], { env: { VARVE_REPOSITORY: place.repository('other') } });
  writeFileSync(place.path('third key'), randomBytes(32), { mode: 0o600 });
  await place.ok(['key', 'add', '--new-key-file', place.path('third key')]);
  for (const name of ['steady', 'one', 'two']) await place.ok(['backup', change(place, name, 0), ...PACKS]);
  return place;
}

/**
 * Runs all loops beside each other.
 *
 * @throws Error for the first command that fails, with what it printed
 */
export async function runBeside(place: Playground, seconds: number): Promise<Map<string, Count>> {
  const end = performance.now() + seconds * 1000;
  const counts = new Map<string, Count>();
  let failed = false;
  const loop = async ({ name, run }: Loop): Promise<void> => {
    const count = { runs: 0, held: 0 };
    counts.set(name, count);
    for (let round = 0; performance.now() < end && !failed; round++) {
      for (const outcome of await run(place, round)) {
        count.runs++;
        if (outcome.code === HELD && HOLDER.test(outcome.err)) count.held++;
        else if (outcome.code !== 0) {
          failed = true;
          throw new Error(`${name}: exit code ${outcome.code}\n${outcome.out.slice(-2000)}${outcome.err}`);
        }
      }
    }
  };
  const results = await Promise.allSettled(LOOPS.map(loop));
  const causes = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []));
  if (causes.length > 0) {
    // Whether the command was right to complain.
    const { code, out, err } = await place.run(['check', '--read-data']);
    throw new Error(`${causes.join('\n')}\nA check alone ends with ${code}:\n${out}${err}`);
  }
  return counts;
}

/** At the end nothing is damaged in either repository, and what nobody changed is as it was. */
export async function verify(place: Playground): Promise<void> {
  for (const name of ['repo', 'other']) {
    const env = { VARVE_REPOSITORY: place.repository(name) };
    await place.ok(['check', '--read-data'], { env });
    const target = place.path(`restored from ${name}`);
    await place.ok(['restore', 'latest', '--target', target, '--path', place.path('steady')], { env });
    assertSameTree(`${target}${place.path('steady')}`, place.path('steady'));
    rmSync(target, { recursive: true });
  }
}
