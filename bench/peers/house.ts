import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Role } from '../../src/crypto/hierarchy.js';
import { setting } from './machine.js';
import { measure } from './measure.js';
import type { Bench } from './options.js';
import type { Place, Program, Step } from './programs/program.js';
import { VARVE_MAIN, varve } from './programs/varve.js';
import { mebibytes, ratio, table } from './table.js';

const MACHINES = 10;
const DAYS = 7;
/** Files that all machines have, and files of one machine; bytes of each. */
const COMMON = { files: 600, bytes: 100_000 };
const OWN = { files: 40, bytes: 50_000 };
/** Parts of the files that change each day: on all machines alike, and on each by itself. */
const UPDATED = 0.02;
const EDITED = 0.1;

type Kind = 'common' | 'own';
interface House {
  readonly name: string;
  readonly roleOf: Role;
  readonly place: Place;
  /** Bytes of packs after each night's prune, and bytes that the day's backups sent. */
  readonly kept: number[];
  readonly sent: number[];
}

/**
 * A week of ten machines that have much in common, with append keys and a prune with a full key each night; beside them the same machines
 * with full keys, which rely on each other's packs at once.
 */
export async function compareHouse(bench: Bench): Promise<string> {
  const work = join(bench.work, 'house');
  const program = varve();
  const houses = (['append', 'full'] as const).map((role) => houseOf(work, bench, role));
  for (const house of houses) await furnish(program, house);
  fill(work);
  for (let day = 0; day < DAYS; day++) {
    if (day > 0) change(work);
    for (const house of houses) await live(program, house, work, day);
    bench.say(`day ${day + 1}`);
  }
  const [append, full] = houses as [House, House];
  const rows = append.kept.map((kept, day) => [
    day + 1,
    mebibytes(append.sent[day] as number),
    mebibytes(full.sent[day] as number),
    mebibytes(kept),
    mebibytes(full.kept[day] as number),
    ratio(kept, full.kept[day]),
  ]);
  const text = `${MACHINES} machines with ${COMMON.files} files of ${COMMON.bytes / 1000} kB in common and ${OWN.files} of ${OWN.bytes / 1000} kB of their own. Each day ${UPDATED * 100} % of what
they have in common changes on all of them alike, and ${EDITED * 100} % of each one's own. They back up one after the other, then a full key prunes
(\`--grace 0\`). With append keys no machine relies on what another one stored before prune has read it; with full keys all do at once.
MiB; ÷ is append by full.`;
  const header = ['day', 'sent, append', 'sent, full', 'kept, append', 'kept, full', '÷'];
  return [setting([program]), text, table(header, rows)].join('\n\n');
}

function houseOf(work: string, bench: Bench, roleOf: Role): House {
  const directory = join(work, roleOf);
  mkdirSync(directory, { recursive: true });
  const place = { home: join(directory, 'home'), repository: join(directory, 'repository'), password: bench.password };
  return { name: roleOf, roleOf, place, kept: [], sent: [] };
}

const varveStep = (...args: string[]): Step => ({ argv: [process.execPath, VARVE_MAIN, ...args] });
const keyOf = ({ name, place }: House, machine: number): string => join(place.home, `${name}-${machine}.key`);

async function furnish(program: Program, house: House): Promise<void> {
  const { place, roleOf } = house;
  mkdirSync(place.home, { recursive: true });
  for (const step of program.init(place)) await measure(program, place, step);
  for (let machine = 0; machine < MACHINES; machine++) {
    writeFileSync(keyOf(house, machine), randomBytes(32), { mode: 0o600 });
    const host = `machine-${machine}`;
    const add = ['key', 'add', '--role', roleOf, '--host', host, '--new-key-file', keyOf(house, machine)];
    await measure(program, place, varveStep(...add));
  }
}

const directoryOf = (work: string, machine: number, kind: Kind): string => join(work, 'data', `${machine}`, kind);

function writeAlike(work: string, file: number): void {
  const bytes = randomBytes(COMMON.bytes);
  for (let machine = 0; machine < MACHINES; machine++)
    writeFileSync(join(directoryOf(work, machine, 'common'), `${file}`), bytes);
}

function fill(work: string): void {
  for (let machine = 0; machine < MACHINES; machine++) {
    for (const kind of ['common', 'own'] as const) mkdirSync(directoryOf(work, machine, kind), { recursive: true });
    for (let file = 0; file < OWN.files; file++)
      writeFileSync(join(directoryOf(work, machine, 'own'), `${file}`), randomBytes(OWN.bytes));
  }
  for (let file = 0; file < COMMON.files; file++) writeAlike(work, file);
}

function change(work: string): void {
  const some = (of: number): number => Math.floor(Math.random() * of);
  for (let n = 0; n < COMMON.files * UPDATED; n++) writeAlike(work, some(COMMON.files));
  for (let machine = 0; machine < MACHINES; machine++)
    for (let n = 0; n < OWN.files * EDITED; n++)
      writeFileSync(join(directoryOf(work, machine, 'own'), `${some(OWN.files)}`), randomBytes(OWN.bytes));
}

/** One day of a house: all machines back up, then the night's prune. */
async function live(program: Program, house: House, work: string, day: number): Promise<void> {
  const { place, kept, sent } = house;
  const before = packBytes(place);
  for (let machine = 0; machine < MACHINES; machine++) {
    const own = { ...place, home: join(place.home, `machine-${machine}`) };
    mkdirSync(own.home, { recursive: true });
    const args = ['--key-file', keyOf(house, machine), 'backup', '-q', '--host', `machine-${machine}`];
    await measure(unlocked(program), own, varveStep(...args, join(work, 'data', `${machine}`)));
  }
  sent[day] = packBytes(place) - before;
  await measure(program, place, varveStep('prune', '-q', '--grace', '0'));
  kept[day] = packBytes(place);
}

/** The program without the owner's password. */
function unlocked(program: Program): Program {
  const environment = (place: Place): Record<string, string> => {
    const { VARVE_PASSWORD_FILE: _, ...others } = program.environment(place);
    return others;
  };
  return { ...program, environment };
}

function packBytes({ repository }: Place): number {
  const data = join(repository, 'data');
  const packs = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return packs.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}
