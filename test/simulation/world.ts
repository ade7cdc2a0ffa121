import { VarveError } from '../../src/errors/errors.js';
import type { Dice } from './dice.js';
import type { Odds } from './odds.js';
import { type Host, type Lane, type Outcome, type Pending, Process, type Timer } from './process.js';
import type { Shelf } from './shelf.js';

/** Seconds after which a request whose sender was killed can still take effect. */
const LATE = 10 * 60;
/** A process is so many times likelier to meet a mishap while it changes the store, where that matters most. */
const CHANGE_WEIGHT = 5;
/** More steps than any run takes. A run with more would never end. */
const MAX_STEPS = 20_000;

/** An event that can happen next. */
interface Choice {
  readonly at: number;
  readonly host: Host | undefined;
  readonly happen: () => void;
  /** The sender of a late request, which was killed. */
  readonly of?: Process;
}

/**
 * The scheduler. Every request to the store and every mishap happens in its loop, one after another, as the dice decide. Everything that
 * the code under test does in between follows from that.
 */
export class World {
  readonly dice: Dice;
  readonly odds: Odds;
  readonly shelf: Shelf;
  readonly lanes: readonly Lane[];
  readonly trace: string[] = [];
  /** Seconds since 1970, by the store's clock. */
  now: number;
  /** Snapshots whose writers were suspended, then killed before they could check for condemned packs. */
  readonly unsure = new Set<string>();
  /** Whether the disk has damaged or lost an object. */
  spoiled = false;
  /** An error that no operation may throw. */
  failure: unknown;
  readonly #start: number;
  readonly #begin: (process: Process) => Promise<unknown>;
  readonly #draw: () => string;
  #left: number;
  #calm = false;
  #lastEnd = '';
  #pid = 100;
  #steps = 0;
  #late: Choice[] = [];

  constructor(options: {
    readonly dice: Dice;
    readonly odds: Odds;
    readonly shelf: Shelf;
    readonly lanes: readonly Lane[];
    readonly now: number;
    /** Draws the name of an operation, */
    readonly draw: () => string;
    /** and does it. */
    readonly begin: (process: Process) => Promise<unknown>;
  }) {
    this.dice = options.dice;
    this.odds = options.odds;
    this.shelf = options.shelf;
    this.lanes = options.lanes;
    this.now = options.now;
    this.#start = options.now;
    this.#draw = options.draw;
    this.#begin = options.begin;
    this.#left = options.odds.operations;
  }

  /** Whether a process runs, for the system: a killed one does until the last of its requests has ended. */
  isRunning(host: Host, pid: number): boolean {
    const processes = [...this.lanes.map(({ process }) => process), ...this.#late.map(({ of }) => of)];
    return processes.some((process) => process?.host === host && process.pid === pid);
  }

  log(who: unknown, what: string): void {
    this.trace.push(`${(this.now - this.#start).toFixed(1).padStart(9)} ${who}: ${what}`);
  }

  /** Runs until all operations have ended. */
  async run(): Promise<void> {
    for (let choices = this.#choices(); choices.length > 0 && this.failure === undefined; choices = this.#choices()) {
      if (++this.#steps > MAX_STEPS) throw new Error('the run does not end');
      const ready = choices.filter(({ at }) => at <= this.now);
      if (ready.length === 0) {
        this.now = Math.min(...choices.map(({ at }) => at));
        continue;
      }
      // Draws a host, then one of its events, so that a host with many requests under way is no faster.
      const { host } = this.dice.pick(ready);
      this.dice.pick(ready.filter((choice) => choice.host === host)).happen();
      await settled();
      this.now += this.dice.between(0, this.odds.pace);
    }
    if (this.failure !== undefined) throw this.failure;
  }

  /** Runs one operation alone and without mishaps. @returns how it ended */
  async alone(lane: Lane, operation: string): Promise<string> {
    const left = this.#left;
    this.#calm = true;
    this.#left = 0;
    this.#startProcess(lane, operation);
    await settled();
    await this.run();
    this.#calm = false;
    this.#left = left;
    return this.#lastEnd;
  }

  /** Whether there are no mishaps. */
  get calm(): boolean {
    return this.#calm;
  }

  #choices(): Choice[] {
    const choices = [...this.#late];
    for (const lane of this.lanes) {
      const { host, process } = lane;
      const add = (at: number, happen: () => void): void => {
        choices.push({ at: Math.max(at, host.asleepUntil), host, happen });
      };
      if (process === undefined) {
        if (this.#left > 0) add(lane.nextAt, () => this.#next(lane));
        continue;
      }
      for (const timer of process.timers) add(timer.nextAt, () => this.#fire(process, timer));
      for (const pending of process.pending) add(pending.readyAt, () => this.#perform(process, pending));
    }
    return choices;
  }

  #next(lane: Lane): void {
    this.#left--;
    this.#startProcess(lane, this.#draw());
  }

  #startProcess(lane: Lane, operation: string): void {
    const process = new Process(this, lane, operation, this.#pid++);
    lane.process = process;
    this.log(process, 'begins');
    this.#begin(process).then(
      (result) => this.#end(process, `ends: ${result ?? 'done'}`),
      (error) => {
        if (!(error instanceof VarveError) || error.code === 'internal') this.failure ??= error;
        this.#doubt(process);
        this.#end(
          process,
          `fails: ${error instanceof VarveError ? `${error.code}: ${this.readable(error.message)}` : error}`,
        );
      },
    );
  }

  /** Replaces the random names of objects by their numbers. */
  readable(text: string): string {
    return text
      .replace(/(data|index|snapshots|locks)\/([0-9a-f]{64})/g, (_, type, name) => this.shelf.label(type, name))
      .replace(/[0-9a-f]{64}/g, '…');
  }

  #end(process: Process, what: string): void {
    this.log(process, what);
    this.#lastEnd = what;
    this.#leave(process);
    process.lane.nextAt = this.now + this.#upTo(this.odds.pauses);
  }

  /** Notes the last snapshot of a killed process that was suspended: it may be incomplete, because the process did not check again. */
  #doubt({ slept, writing }: Process): void {
    if (slept && writing !== undefined) this.unsure.add(writing);
  }

  #leave(process: Process): void {
    process.timers = [];
    process.pending = [];
    if (process.lane.process === process) process.lane.process = undefined;
  }

  #fire(process: Process, timer: Timer): void {
    process.wind(timer);
    timer.action();
  }

  #upTo(limits: readonly number[]): number {
    return this.dice.between(0, this.dice.pick(limits));
  }

  #perform(process: Process, pending: Pending): void {
    const { dice, odds } = this;
    if (pending.outcome !== undefined) return this.#settle(process, pending, pending.outcome, 'answer of ');
    if (!this.#calm) {
      const { changes } = pending.action;
      const weight = changes ? CHANGE_WEIGHT : 1;
      if (dice.chance(odds.kill * weight)) return this.#kill(process, pending);
      if (dice.chance(odds.suspend * weight)) return this.#suspend(process, pending);
      if (dice.chance(odds.fail)) return this.#settle(process, pending, LOST, 'fails: ');
      if (changes && dice.chance(odds.loseAnswer)) {
        pending.action.act();
        return this.#settle(process, pending, LOST, 'answer is lost: ');
      }
    }
    this.#settle(process, pending, outcomeOf(pending), '');
  }

  #settle(process: Process, pending: Pending, outcome: Outcome, how: string): void {
    const missing = 'error' in outcome && how === '' ? ' (error)' : '';
    this.log(process, `${how}${pending.action.what}${missing}`);
    process.pending = process.pending.filter((other) => other !== pending);
    pending.settle(outcome);
  }

  #suspend(process: Process, pending: Pending): void {
    const { host } = process;
    const done = this.dice.chance(0.5);
    if (done) pending.outcome = outcomeOf(pending);
    const seconds = this.#upTo(this.odds.sleeps);
    host.asleepUntil = this.now + seconds;
    for (const lane of this.lanes) if (lane.host === host && lane.process !== undefined) lane.process.slept = true;
    this.log(
      host.name,
      `sleeps ${(seconds / 3600).toFixed(1)} h, ${done ? 'after' : 'before'} ${pending.action.what} of ${process}`,
    );
  }

  /** Kills a process, or all of its host. Their pending requests happen, happen later, or do not happen. */
  #kill(process: Process, at: Pending): void {
    const all = this.dice.chance(0.3);
    const doomed = this.lanes.flatMap((lane) =>
      lane.process && (all ? lane.host === process.host : lane.process === process) ? [lane.process] : [],
    );
    for (const each of doomed) {
      const fates = each.pending.map((pending) => this.#fateOf(each, pending));
      this.log(
        each,
        `is killed${each === process ? ` at ${at.action.what}` : ''}${fates.some(Boolean) ? `; happens: ${fates.filter(Boolean).join(', ')}` : ''}`,
      );
      this.#doubt(each);
      this.#leave(each);
      each.lane.nextAt = this.now + this.#upTo(this.odds.pauses);
    }
  }

  #fateOf(process: Process, { action, outcome }: Pending): string | undefined {
    const fate = action.changes && outcome === undefined ? this.dice.pick(['never', 'now', 'late']) : 'never';
    if (fate === 'never') return undefined;
    if (fate === 'now') {
      action.act();
      return action.what;
    }
    const late: Choice = {
      at: this.now + this.dice.between(0, LATE),
      host: undefined,
      of: process,
      happen: () => {
        this.#late = this.#late.filter((other) => other !== late);
        this.log(process, `late: ${action.what}`);
        action.act();
      },
    };
    this.#late.push(late);
    return `${action.what} (late)`;
  }
}

const LOST: Outcome = { error: new VarveError('storage', 'the connection was lost', { retryable: true }) };

function outcomeOf({ action }: Pending): Outcome {
  try {
    return { value: action.act() };
  } catch (error) {
    return { error };
  }
}

/** Waits until the code under test has done everything that follows from the last event without the scheduler. */
const settled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));
