import type { ContentRef } from '../../src/format/content.js';
import { Dice } from './dice.js';
import { type Elsewhere, makeElsewhere } from './elsewhere.js';
import { toyEngine } from './engine.js';
import type { Fault } from './faults.js';
import { Fixture } from './fixture.js';
import { drawOdds } from './odds.js';
import { OPERATIONS } from './operations.js';
import { type Host, type Lane, Process } from './process.js';
import { Shelf } from './shelf.js';
import { changeFiles, type Files, firstFiles } from './source.js';
import { ShelfStore, SimulatedStore } from './store.js';
import { type Expected, rootName, verify } from './verify.js';
import { World } from './world.js';

// Loops over trees yield to the event loop by this clock. It stands still here, so that a run follows from its seed alone and the scheduler
// need not wait for the event loop.
Object.defineProperty(performance, 'now', { value: () => 0 });

/** Start of all runs, in seconds since 1970. */
const BEGINNING = Date.UTC(2026, 0, 1) / 1000;
const DAY = 24 * 3600;

export interface Outcome {
  readonly seed: number;
  /** The failed check, if any. */
  readonly failure: string | undefined;
  readonly trace: readonly string[];
  /** Number of incomplete snapshots that are allowed: their writers were suspended, then killed or cut off, and never reported them. */
  readonly removed: number;
}

let made: ReturnType<typeof makeRepositories> | undefined;

/** The parts that all runs share: the keys, and a repository from which snapshots are copied. */
async function makeRepositories() {
  const engine = toyEngine();
  const elsewhere = await makeElsewhere(await Fixture.create(engine), BEGINNING);
  return { engine, fixture: await Fixture.create(engine), elsewhere };
}

/** Simulates one run. The same seed gives the same trace. @param fault what is broken on purpose */
export async function simulate(seed: number, fault?: Fault): Promise<Outcome> {
  made ??= makeRepositories();
  const repositories = await made;
  repositories.engine.restart();
  const run = new Run(seed, repositories, fault);
  let failure: string | undefined;
  try {
    await run.toEnd();
  } catch (cause) {
    const text = run.world.readable(cause instanceof Error ? cause.message : String(cause));
    const isBug = cause instanceof Error && !(cause instanceof Loss);
    failure = isBug ? `${text}\n${cause.stack}` : text;
  }
  return { seed, failure, trace: run.world.trace, removed: run.removed };
}

/** The error that data were lost. */
class Loss extends Error {}

class Run {
  readonly world: World;
  readonly #fixture: Fixture;
  readonly #elsewhere: Elsewhere;
  readonly #fault: Fault | undefined;
  readonly #buffers: ReturnType<Fixture['freshBuffers']>;
  readonly #files = new Map<Host, Map<string, number>>();
  readonly #contents = new Map<string, ReadonlyMap<string, number>>();
  readonly #promised = new Set<string>();
  readonly #givenUp = new Set<string>();
  /** Number of incomplete snapshots that were allowed, and removed. */
  removed = 0;

  constructor(
    seed: number,
    { fixture, elsewhere }: Awaited<ReturnType<typeof makeRepositories>>,
    fault: Fault | undefined,
  ) {
    const dice = new Dice(seed);
    this.#fixture = fixture;
    this.#elsewhere = elsewhere;
    this.#fault = fault;
    this.#buffers = fixture.freshBuffers();
    const lanes = drawLanes(dice);
    for (const { host } of lanes) this.#files.set(host, firstFiles(dice));
    const weights = Object.entries(OPERATIONS).map(([name, { weight }]) => [weight, name] as const);
    this.world = new World({
      dice,
      odds: drawOdds(dice),
      shelf: new Shelf(),
      lanes,
      now: BEGINNING,
      draw: () => dice.weighted(weights),
      begin: (process) => this.#begin(process),
    });
  }

  /** Runs the operations. Then time passes, two prunes run without mishaps, and every snapshot must still be whole. */
  async toEnd(): Promise<void> {
    const { world } = this;
    await world.alone(world.lanes[0] as Lane, 'backup');
    await world.run();
    if (world.spoiled) {
      world.now += DAY;
      await this.#alone('repair index');
    }
    await this.#verify();
    for (let times = 0; times < 2; times++) {
      world.now += 3 * DAY;
      await this.#alone('prune');
    }
    await this.#verify();
  }

  async #alone(operation: string): Promise<void> {
    const end = await this.world.alone(this.world.lanes[0] as Lane, operation);
    if (end.startsWith('fails')) throw new Loss(`a ${operation} without any mishap ${end}`);
  }

  async #verify(): Promise<void> {
    const promised = new Set([...this.#promised].filter((id) => !this.#givenUp.has(id)));
    const expected: Expected = { contents: this.#contents, promised, unsure: this.world.unsure };
    const reader = new Process(this.world, this.world.lanes[0] as Lane, 'verify', 0);
    const repository = this.#fixture.open(reader, new ShelfStore(this.world.shelf));
    const broken = await verify(repository, expected).catch((cause) => {
      throw new Loss(cause.message);
    });
    for (const id of broken) this.world.shelf.remove('snapshots', id);
    this.removed += broken.length;
  }

  #begin(process: Process): Promise<unknown> {
    const { dice } = this.world;
    const store = new SimulatedStore(process);
    const repository = this.#fixture.open(process, this.#fault?.store(process, store) ?? store);
    const files = this.#files.get(process.host) as Map<string, number>;
    if (process.operation === 'backup') changeFiles(files, dice);
    const backing = {
      buffers: this.#buffers,
      files: new Map(files),
      filesOf: (root: ContentRef) => this.#contents.get(rootName(root)),
      expect: (root: ContentRef, what: Files) => void this.#contents.set(rootName(root), what),
    };
    return (OPERATIONS[process.operation] as (typeof OPERATIONS)[string]).run({
      process,
      repository,
      bare: this.#fixture.open(process, new ShelfStore(this.world.shelf)),
      backing,
      elsewhere: this.#elsewhere,
      giveUp: (ids) => {
        for (const id of ids) this.#givenUp.add(id);
      },
      promise: (id) => this.#promised.add(id),
    });
  }
}

/** Hosts with one or two lanes each. In some runs their clocks are wrong. */
function drawLanes(dice: Dice): Lane[] {
  const wrong = dice.pick([0, 60, DAY]);
  const isDirectory = dice.chance(0.4);
  const hosts = ['a', 'b', 'c'].slice(0, 1 + dice.below(3)).map((name): Host => {
    const clock = dice.between(-wrong, wrong);
    // The documentation allows no larger difference between clocks of hosts that share a directory.
    const storeClock = isDirectory ? Math.max(-120, Math.min(120, clock)) : 0;
    return { name, clock: isDirectory ? storeClock : clock, storeClock, asleepUntil: 0 };
  });
  const places = hosts.length === 1 ? [...hosts, ...hosts] : dice.chance(0.5) ? [...hosts, dice.pick(hosts)] : hosts;
  return places.map((host) => ({ host, nextAt: 0, process: undefined }));
}
