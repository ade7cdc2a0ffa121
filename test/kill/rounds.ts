import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, watch } from 'node:fs';
import { join } from 'node:path';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { initRepository, openRepository } from '../../src/repository/opening/open.js';
import { readPackDirectory } from '../../src/repository/packs/pack-directory.js';
import { splitIds } from '../../src/repository/reading/content-stream.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import type { Repository } from '../../src/repository/repository.js';
import { listSnapshots } from '../../src/repository/snapshots/snapshots.js';
import { restore } from '../../src/restore/restore.js';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { components } from '../backup/sandbox.js';
import { treeImage } from '../backup/tree-image.js';
import { MAIN } from '../cli/main-program.js';
import { seeded } from '../filesystem/random.js';
import { Source } from './source.js';

export interface KillOptions {
  readonly directory: string;
  /** Kills; backups that had ended before they were to be killed do not count. */
  readonly rounds: number;
  readonly mebibytes: number;
  readonly seed: number;
  /** Rounds after which a new repository is begun. */
  readonly renewAfter: number;
  readonly log: (line: string) => void;
}

/** How far a backup was when it was killed, by what it left. */
export type Phase = 'nothing' | 'lease' | 'packs' | 'index' | 'snapshot' | 'finished';

export interface KillFigures {
  kills: number;
  readonly phases: Record<Phase, number>;
  /** Bytes of packs that the killed runs had stored, and that the runs after them stored. */
  storedBefore: number;
  storedAfter: number;
  /** Bytes of blobs that were stored although a pack had them: all together, and the most in one round. */
  resent: number;
  mostResent: number;
  adopted: number;
  temporaries: number;
  snapshotsRestored: number;
}

const PASSWORD = 'pebble';
const THREADS = 2;
const PACK_MIB = 4;
const MIB = 2 ** 20;
/** Snapshots of which all is restored in each round; older ones when their repository is left. */
const RESTORED_EACH_ROUND = 2;

/** Kills backups with SIGKILL at random moments, runs them again, and checks what is left after each. */
export async function killRounds(options: KillOptions): Promise<KillFigures> {
  const { rounds, seed, log } = options;
  const random = seeded(seed);
  const durations: Durations = { first: 400 + options.mebibytes * 4, changed: 300 + options.mebibytes * 2 };
  const figures: KillFigures = {
    kills: 0,
    phases: { nothing: 0, lease: 0, packs: 0, index: 0, snapshot: 0, finished: 0 },
    storedBefore: 0,
    storedAfter: 0,
    resent: 0,
    mostResent: 0,
    adopted: 0,
    temporaries: 0,
    snapshotsRestored: 0,
  };
  mkdirSync(join(options.directory, 'source'), { recursive: true });
  const source = new Source(join(options.directory, 'source'), options.mebibytes, seed);
  let place: Place | undefined;
  for (let round = 0; figures.kills < rounds; round++) {
    const isNew = place === undefined || round % options.renewAfter === 0;
    if (isNew) {
      await place?.leave(figures);
      place = await Place.create(options, source, `repository-${round}`);
    } else source.change(0.4);
    const line = await (place as Place).round(random, figures, durations);
    log(`round ${round + 1}: ${line}`);
  }
  await place?.leave(figures);
  return figures;
}

/** Milliseconds that a backup takes: of everything, and of what has changed. */
interface Durations {
  first: number;
  changed: number;
}

/** When a backup is killed: after a time, or a little after something happens in a directory of the repository. */
interface Moment {
  readonly milliseconds: number;
  readonly directory?: 'index' | 'snapshots' | 'locks';
}

/** Mostly at any time; now and then near the short moments that matter most. */
function anyMoment(random: ReturnType<typeof seeded>, duration: number): Moment {
  // The first third is the start of the program, in which nothing is written: one kill in five may fall there.
  const share = random.below(5) === 0 ? random.below(1000) : 300 + random.below(700);
  if (random.below(5) > 1) return { milliseconds: Math.floor((share / 1000) * duration) };
  return {
    milliseconds: random.below(8),
    directory: random.pick(['index', 'index', 'snapshots', 'snapshots', 'locks'] as const),
  };
}

/** A repository, and the snapshots that it has to have. */
class Place {
  readonly #directory: string;
  readonly #source: Source;
  readonly #store: LocalStore;
  readonly #target: string;
  /** The source as it was for each snapshot, by id. */
  readonly #images = new Map<string, readonly string[]>();
  private constructor(options: KillOptions, source: Source, name: string) {
    this.#directory = join(options.directory, name);
    this.#target = join(options.directory, 'restored');
    this.#source = source;
    this.#store = new LocalStore(join(this.#directory, 'repository'));
  }

  static async create(options: KillOptions, source: Source, name: string): Promise<Place> {
    const place = new Place(options, source, name);
    mkdirSync(place.#directory);
    await initRepository(place.#store, { unlock: { password: PASSWORD }, user: 'anna', host: 'test', logN: 10 });
    return place;
  }

  async round(random: ReturnType<typeof seeded>, figures: KillFigures, durations: Durations): Promise<string> {
    const image = treeImage(this.#source.directory);
    const before = this.#state();
    const kind = this.#images.size === 0 ? 'first' : 'changed';
    const moment = anyMoment(random, durations[kind]);
    const started = performance.now();
    const finished = await this.#backup(moment);
    if (finished) durations[kind] = (durations[kind] + performance.now() - started) / 2;
    const killed = this.#state();
    const phase = finished ? 'finished' : phaseOf(before, killed);
    await this.#checkObjects();
    await this.#noteSnapshots(image);
    const { out } = await this.#finish();
    const after = this.#state();
    const adopted = Number(/interrupted: (\d+) packs/.exec(out)?.[1] ?? 0);
    const orphans = killed.index === before.index ? killed.packs.size - before.packs.size : 0;
    assert.equal(adopted, orphans, 'every pack that the killed run had stored is used');
    assert.equal(after.locks, 0, 'no lease is left');
    await this.#noteSnapshots(image);
    const resent = await this.#resent(before.packs);
    assert.ok(resent <= THREADS * PACK_MIB * MIB * 1.25, `${resent} bytes were stored again`);
    await this.#restoreLatest(figures);
    if (!finished) figures.kills++;
    figures.phases[phase]++;
    figures.storedBefore += killed.bytes - before.bytes;
    figures.storedAfter += after.bytes - killed.bytes;
    figures.resent += resent;
    figures.mostResent = Math.max(figures.mostResent, resent);
    figures.adopted += adopted;
    figures.temporaries += killed.temporaries;
    const when =
      moment.directory === undefined
        ? `after ${moment.milliseconds} ms`
        : `${moment.milliseconds} ms after ${moment.directory}`;
    return `killed ${when} (${phase}); stored ${mib(killed.bytes - before.bytes)}, then ${mib(after.bytes - killed.bytes)}; ${adopted} packs adopted, ${mib(resent)} stored twice`;
  }

  /** Restores every snapshot, and removes the repository. */
  async leave(figures: KillFigures): Promise<void> {
    const repository = await this.#open();
    for (const id of this.#images.keys()) await this.#restore(repository, id, figures);
    rmSync(this.#directory, { recursive: true });
  }

  #open(): Promise<Repository> {
    return openRepository(this.#store, { unlock: { password: PASSWORD } });
  }

  /** @returns whether it had ended before it was to be killed */
  #backup({ milliseconds, directory }: Moment): Promise<boolean> {
    const child = this.#spawn();
    let timer: NodeJS.Timeout | undefined;
    const killLater = (): void => {
      timer ??= setTimeout(() => child.kill('SIGKILL'), milliseconds);
    };
    const watcher = directory && watch(join(this.#store.location, directory), killLater);
    if (directory === undefined) killLater();
    return new Promise((resolve, reject) => {
      child.on('exit', (code, signal) => {
        clearTimeout(timer);
        watcher?.close();
        if (code !== null && code !== 0) reject(new Error(`the backup failed with ${code}: ${child.text()}`));
        else resolve(signal === null);
      });
    });
  }

  #finish(): Promise<{ out: string }> {
    const child = this.#spawn();
    return new Promise((resolve, reject) => {
      child.on('close', (code) => {
        if (code === 0) resolve({ out: child.text() });
        else reject(new Error(`the second run failed with ${code}: ${child.text()}`));
      });
    });
  }

  #spawn() {
    const args = [MAIN, 'backup', this.#source.directory, '--pack-size', String(PACK_MIB)];
    const env = {
      PATH: process.env['PATH'],
      HOME: this.#directory,
      VARVE_REPOSITORY: this.#store.location,
      VARVE_PASSWORD: PASSWORD,
      VARVE_CACHE_DIR: join(this.#directory, 'cache'),
    };
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
    return Object.assign(child, { text: () => text });
  }

  #state(): State {
    const all = readdirSync(this.#store.location, { recursive: true, withFileTypes: true }).filter((each) =>
      each.isFile(),
    );
    const state = { packs: new Map<string, number>(), bytes: 0, index: 0, snapshots: 0, locks: 0, temporaries: 0 };
    for (const { name, parentPath } of all) {
      const directory = parentPath.slice(this.#store.location.length + 1);
      if (name.startsWith('.tmp-')) state.temporaries++;
      else if (directory.startsWith('data')) {
        const { length } = readFileSync(join(parentPath, name));
        state.packs.set(name, length);
        state.bytes += length;
      } else if (directory === 'index') state.index++;
      else if (directory === 'snapshots') state.snapshots++;
      else if (directory === 'locks') state.locks++;
    }
    return state;
  }

  /** Whatever is listed is whole: its name is its hash. */
  async #checkObjects(): Promise<void> {
    for (const type of ['data', 'index', 'snapshots', 'locks', 'keys'] as const) {
      for await (const { name, size } of this.#store.list(type)) {
        const bytes = await this.#store.get(type, name);
        assert.equal(bytes.length, size);
        assert.equal(createHash('sha256').update(bytes).digest('hex'), name, `${type}/${name}`);
      }
    }
  }

  /** Whatever snapshot is new shows the source as it is now; none is lost. */
  async #noteSnapshots(image: readonly string[]): Promise<void> {
    const { snapshots, failures } = await listSnapshots(await this.#open());
    assert.deepEqual(failures, []);
    const ids = new Set(snapshots.map(({ id }) => id));
    for (const id of this.#images.keys()) assert.ok(ids.has(id), `snapshot ${id} is gone`);
    for (const id of ids) if (!this.#images.has(id)) this.#images.set(id, image);
  }

  /** Bytes of the blobs in new packs that another pack has too. */
  async #resent(before: ReadonlyMap<string, number>): Promise<number> {
    const repository = await this.#open();
    const seen = new Set<string>();
    let twice = 0;
    const packs: { name: string; size: number }[] = [];
    for await (const { name, size } of this.#store.list('data')) packs.push({ name, size });
    packs.sort((a, b) => Number(before.has(b.name)) - Number(before.has(a.name)));
    for (const { name, size } of packs) {
      const { record } = await readPackDirectory(repository, name, size);
      for (const [number, id] of [...splitIds(record.ids)].entries()) {
        const key = id.toString('latin1');
        if (seen.has(key) && !before.has(name)) twice += record.lengths.readUInt32LE(number * 4);
        seen.add(key);
      }
    }
    return twice;
  }

  async #restoreLatest(figures: KillFigures): Promise<void> {
    const repository = await this.#open();
    for (const id of [...this.#images.keys()].slice(-RESTORED_EACH_ROUND)) await this.#restore(repository, id, figures);
  }

  async #restore(opened: Repository, id: string, figures: KillFigures): Promise<void> {
    const repository = await loadIndex(opened);
    const stored = (await listSnapshots(opened)).snapshots.find((each) => each.id === id);
    assert.ok(stored, `snapshot ${id} is listed`);
    const root = await new TreeReader(repository).directory(stored.snapshot.root, components(this.#source.directory));
    const told: string[] = [];
    await restore(repository, {
      root,
      target: this.#target,
      setOwner: process.getuid?.() === 0,
      threads: THREADS,
      onEvent: (event) => event.kind !== 'item' && told.push(`${event.path}: ${event.message}`),
    });
    assert.equal(told.length, 0, `snapshot ${id}: ${told.slice(0, 5).join('; ')}`);
    assert.deepEqual(treeImage(this.#target), this.#images.get(id), `snapshot ${id} is the source as it was`);
    rmSync(this.#target, { recursive: true });
    figures.snapshotsRestored++;
  }
}

interface State {
  readonly packs: ReadonlyMap<string, number>;
  readonly bytes: number;
  readonly index: number;
  readonly snapshots: number;
  readonly locks: number;
  readonly temporaries: number;
}

function phaseOf(before: State, after: State): Phase {
  if (after.snapshots > before.snapshots) return 'snapshot';
  if (after.index > before.index) return 'index';
  if (after.packs.size > before.packs.size) return 'packs';
  return after.locks > 0 ? 'lease' : 'nothing';
}

export const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;

/** The figures in one line. */
export function summary(figures: KillFigures): string {
  const { kills, phases, storedBefore, storedAfter, resent, mostResent, adopted, temporaries, snapshotsRestored } =
    figures;
  const at = Object.entries(phases)
    .map(([phase, count]) => `${phase} ${count}`)
    .join(', ');
  return `${kills} kills (left by them, or the run that was sooner: ${at}); ${mib(storedBefore)} stored before and ${mib(storedAfter)} after the kills, ${mib(resent)} stored twice (at most ${mib(mostResent)} in a round); ${adopted} packs adopted; ${temporaries} temporary files seen; ${snapshotsRestored} snapshots restored, all equal`;
}
