import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dice } from '../simulation/dice.js';
import { suspend } from './suspend.js';

/**
 * What becomes of an rclone that varve has started:
 *
 * - `killed`: it ends at once; `ended`: it gets a request to end
 * - `refused`: it is killed, and the next one ends before it does anything
 * - `stopped`: it stands still for a while
 */
export const RCLONE_FAULTS = ['killed', 'ended', 'refused', 'stopped'] as const;
export type RcloneFault = (typeof RCLONE_FAULTS)[number];

export interface RcloneBadness {
  readonly seed: number;
  /** Requests that go well between two faults, on average. */
  readonly every: number;
}

/** Milliseconds that one stands still. */
const STOP = 150;
/** Milliseconds at most from a request that went well: the fault comes in the midst of another. */
const SOON = 60;

/** Programs of rclone that do not live long. */
export class BadRclone {
  readonly faults = new Map<RcloneFault, number>();
  readonly #directory = mkdtempSync(join(tmpdir(), 'varve-bad-rclone-'));
  readonly #badness: RcloneBadness;
  readonly #dice: Dice;
  #timer: NodeJS.Timeout | undefined;
  #left = Number.POSITIVE_INFINITY;
  #held: NodeJS.Timeout | undefined;
  #last = 0;

  constructor(badness: RcloneBadness) {
    this.#badness = badness;
    this.#dice = new Dice(badness.seed);
    appendFileSync(this.#path('pids'), '');
  }

  /** For `-o rclone.program=`. */
  get program(): string {
    const [pids, refuse, gone, silent] = ['pids', 'refuse', 'gone', 'silent'].map((name) => this.#path(name));
    const script = `[ -e ${gone} ] && exit 1; rm ${refuse} 2>/dev/null && exit 1; echo $$ >> ${pids}; [ -e ${silent} ] && exec sleep 600; exec rclone "$@"`;
    return `/bin/sh -c '${script}' sh`;
  }

  /** Those that run. */
  running(): number[] {
    return this.#started().filter(isRunning);
  }

  /** From now on there are faults; before, and after `calm`, there are none. */
  begin(): void {
    this.#left = this.#dice.between(0, 2 * this.#badness.every);
  }

  /** Called after each request that succeeded. */
  progressed(): void {
    if (--this.#left > 0) return;
    this.begin();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#act(), this.#dice.between(0, SOON));
  }

  calm(): void {
    this.#left = Number.POSITIVE_INFINITY;
    clearTimeout(this.#timer);
    rmSync(this.#path('refuse'), { force: true });
    for (const pid of this.running()) process.kill(pid, 'SIGCONT');
  }

  /** Goes away: it ends as often as it is started, or says nothing. */
  vanish(how: 'refusing' | 'silent'): void {
    this.calm();
    writeFileSync(this.#path(how === 'refusing' ? 'gone' : 'silent'), '');
    for (const pid of this.running()) {
      if (how === 'refusing') process.kill(pid, 'SIGKILL');
      else suspend(pid);
    }
  }

  async comeBack(): Promise<void> {
    for (const name of ['gone', 'silent']) rmSync(this.#path(name), { force: true });
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    for (const pid of this.running()) process.kill(pid, 'SIGKILL');
    rmSync(this.#directory, { recursive: true });
  }

  #act(): void {
    const pid = this.#started().at(-1);
    if (pid === undefined || pid === this.#last || !isRunning(pid)) return;
    const fault = this.#dice.pick(RCLONE_FAULTS);
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
    if (fault === 'stopped') return this.#hold(pid);
    this.#last = pid;
    if (fault === 'refused') writeFileSync(this.#path('refuse'), '');
    process.kill(pid, fault === 'ended' ? 'SIGTERM' : 'SIGKILL');
  }

  #hold(pid: number): void {
    suspend(pid);
    clearTimeout(this.#held);
    this.#held = setTimeout(() => isRunning(pid) && process.kill(pid, 'SIGCONT'), STOP);
  }

  #started(): number[] {
    return existsSync(this.#directory)
      ? readFileSync(this.#path('pids'), 'utf8').split('\n').filter(Boolean).map(Number)
      : [];
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}

/** Whether it runs. A zombie does not. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
