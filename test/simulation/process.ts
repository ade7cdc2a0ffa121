import type { Machine } from '../../src/repository/machine.js';
import type { World } from './world.js';

/** Seconds within which a running holder refreshes its lease: late at times, but before it is stale. */
const REFRESH = { least: 5 * 60, most: 20 * 60 };

/** A computer. Its clocks are given as seconds ahead of the store's clock. */
export interface Host {
  readonly name: string;
  readonly clock: number;
  /** The clock that it takes for the store's: its own, where the store is a directory. */
  readonly storeClock: number;
  /** Suspended until then: none of its processes runs. */
  asleepUntil: number;
}

/** A sequence of operations on a host. */
export interface Lane {
  readonly host: Host;
  nextAt: number;
  process: Process | undefined;
}

/** An action that a process waits for: a request to the store, or the passing of time. */
export interface Action<T> {
  readonly what: string;
  /** Whether it changes the store. */
  readonly changes: boolean;
  /** Seconds before it can happen. */
  readonly after?: number;
  readonly act: () => T;
}

export type Outcome = { readonly value: unknown } | { readonly error: unknown };

export interface Pending {
  readonly action: Action<unknown>;
  readonly readyAt: number;
  readonly settle: (outcome: Outcome) => void;
  /** Whether it has happened, and only the answer is pending. */
  outcome: Outcome | undefined;
}

export interface Timer {
  nextAt: number;
  readonly action: () => void;
}

/** One operation: a process on a host, until it ends or is killed. */
export class Process {
  readonly world: World;
  readonly lane: Lane;
  readonly operation: string;
  readonly pid: number;
  readonly machine: Machine;
  pending: Pending[] = [];
  timers: Timer[] = [];
  /** The snapshot that it began to write last. */
  writing: string | undefined;
  /** Whether its host was suspended since it began. */
  slept = false;

  constructor(world: World, lane: Lane, operation: string, pid: number) {
    this.world = world;
    this.lane = lane;
    this.operation = operation;
    this.pid = pid;
    this.machine = {
      host: lane.host.name,
      user: 'anna',
      pid,
      isRunning: (other) => world.isRunning(lane.host, other),
      every: (_, action) => this.#every(action),
    };
  }

  get host(): Host {
    return this.lane.host;
  }

  toString(): string {
    return `${this.host.name} ${this.operation}.${this.pid}`;
  }

  /** Waits until the scheduler lets it happen. */
  step<T>(action: Action<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settle = (outcome: Outcome): void =>
        'error' in outcome ? reject(outcome.error) : resolve(outcome.value as T);
      this.pending.push({ action, readyAt: this.world.now + (action.after ?? 0), settle, outcome: undefined });
    });
  }

  #every(action: () => void): () => void {
    const timer: Timer = { nextAt: 0, action };
    this.wind(timer);
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  wind(timer: Timer): void {
    timer.nextAt = this.world.now + this.world.dice.between(REFRESH.least, REFRESH.most);
  }
}
