import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listSnapshots } from '../../src/index.js';
import { openRepository } from '../../src/repository/opening/open.js';
import { writeSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { setting } from './machine.js';
import { type Cost, measure } from './measure.js';
import type { Bench } from './options.js';
import type { Place, Program } from './programs/program.js';
import { VARVE_MAIN, varve } from './programs/varve.js';
import { median, seconds, table } from './table.js';

const LEAST_ROUNDS = 5;
const SNAPSHOTS = 1000;
const HOUR = 3600;

/** `varve snapshots` with many snapshots and with none. Both repositories have the same key, so key derivation costs the same. */
export async function compareSnapshots(bench: Bench): Promise<string> {
  const program = varve();
  const empty = placeIn(bench, 'empty');
  const full = placeIn(bench, 'full');
  for (const step of program.init(empty)) await measure(program, empty, step);
  cpSync(empty.repository, full.repository, { recursive: true });
  const count = bench.count ?? SNAPSHOTS;
  await fill(program, full, bench, count);
  const repeat = Math.max(LEAST_ROUNDS, bench.repeat);
  const rows: (string | number)[][] = [];
  for (const cache of ['cold', 'warm'] as const) {
    const none: number[] = [];
    const many: number[] = [];
    for (let i = 0; i < repeat; i++) {
      none.push((await list(program, empty, cache, i)).wall);
      many.push((await list(program, full, cache, i)).wall);
    }
    rows.push([cache, seconds(median(none)), seconds(median(many)), seconds(median(many) - median(none))]);
  }
  const text = `\`varve snapshots\` with ${count} snapshots and with none, in the same repository otherwise. Medians of ${repeat} runs in turn, in
seconds; cold is with an empty cache directory. The password comes from a file, and deriving the key from it takes the same time in both.`;
  const header = ['cache', 'no snapshot', `${count} snapshots`, 'difference'];
  return [setting([program]), text, table(header, rows)].join('\n\n');
}

function placeIn(bench: Bench, name: string): Place {
  const directory = join(bench.work, 'snapshots', name);
  return { home: join(directory, 'home'), repository: join(directory, 'repository'), password: bench.password };
}

function list(program: Program, place: Place, cache: 'cold' | 'warm', i: number): Promise<Cost> {
  const home = join(place.home, cache === 'cold' ? `cold-${i}` : 'warm');
  return measure(program, { ...place, home }, { argv: [process.execPath, VARVE_MAIN, 'snapshots'] });
}

/** Makes one real snapshot; the others have times an hour apart before it. */
async function fill(program: Program, place: Place, bench: Bench, count: number): Promise<void> {
  const source = join(bench.work, 'snapshots', 'tiny');
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, 'file'), 'a few words\n');
  await measure(program, place, program.backup(place, source, 'first'));
  const password = readFileSync(bench.password, 'utf8').trim();
  const repository = await openRepository(new LocalStore(place.repository), { unlock: { password } });
  const [first] = (await listSnapshots(repository)).snapshots;
  if (first === undefined) throw new Error('there is no snapshot after a backup');
  for (let i = 1; i < count; i++) {
    const { seconds: newest, nanoseconds } = first.snapshot.time;
    await writeSnapshot(repository, { ...first.snapshot, time: { seconds: newest - i * HOUR, nanoseconds } });
  }
  const found = (await listSnapshots(repository)).snapshots.length;
  if (found !== count) throw new Error(`${found} snapshots are listed, not ${count}`);
}
