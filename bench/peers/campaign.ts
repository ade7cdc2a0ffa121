import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ballast } from './ballast.js';
import { change } from './data.js';
import { type Cost, measure } from './measure.js';
import type { Place, Program, Step } from './programs/program.js';
import { difference, type Size, sizeOf, warm } from './tree.js';

export const PHASES = ['first', 'unchanged', 'restore', 'changed'] as const;
export type Phase = (typeof PHASES)[number];

const PAUSE_MILLISECONDS = 2000;
/** ext4 walks past inodes that were deleted in the last five minutes, which makes it slow at creating files. */
const SETTLE_MILLISECONDS = 310_000;

/** One run of one program in one phase. */
export interface Sample extends Cost {
  /** The repository's size after the phase. */
  readonly size: Size;
}

export interface Campaign {
  readonly programs: readonly Program[];
  /** An absolute directory; the phase `changed` changes it. */
  readonly source: string;
  readonly phases: readonly Phase[];
  readonly repeat: number;
  /** The directory for all repositories and restored files. */
  readonly work: string;
  readonly password: string;
  readonly say: (text: string) => void;
}

/** All samples of every program and phase, or the reason why there are none. */
export class Results {
  readonly #samples = new Map<string, Sample[]>();
  readonly #failures = new Map<string, string>();

  add(program: Program, phase: Phase, sample: Sample): void {
    const key = `${program.name} ${phase}`;
    this.#samples.set(key, [...(this.#samples.get(key) ?? []), sample]);
  }

  fail(program: Program, phases: readonly Phase[], reason: string): void {
    for (const phase of phases) this.#failures.set(`${program.name} ${phase}`, reason);
  }

  failure(program: Program, phase: Phase): string | undefined {
    return this.#failures.get(`${program.name} ${phase}`);
  }

  samples(program: Program, phase: Phase): readonly Sample[] {
    return this.failure(program, phase) === undefined ? (this.#samples.get(`${program.name} ${phase}`) ?? []) : [];
  }
}

/** Runs all programs in turn through one phase after another, and compares each restore with the source. */
export async function runCampaign(campaign: Campaign): Promise<Results> {
  const results = new Results();
  for (let number = 1; number <= campaign.repeat; number++) {
    const before = freeBytes(campaign.work);
    const round = new Round(campaign, results, number);
    await round.run();
    const used = before - freeBytes(campaign.work);
    if (number < campaign.repeat && freeBytes(campaign.work) < 1.2 * used) {
      campaign.say('little space is left: what this round made is deleted, and the next begins in five minutes');
      rmSync(round.directory, { recursive: true });
      await sleep(SETTLE_MILLISECONDS);
    }
  }
  return results;
}

const roundDirectory = (work: string, round: number): string => join(work, `round-${round}`);

/** A program's directories in a round; rounds count from 1. */
export function placeOf({ name }: Pick<Program, 'name'>, work: string, round: number, password: string): Place {
  const directory = join(roundDirectory(work, round), name);
  return { home: join(directory, 'home'), repository: join(directory, 'repository'), password };
}

function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

class Round {
  readonly directory: string;
  readonly #campaign: Campaign;
  readonly #results: Results;
  readonly #number: number;
  readonly #ballast: Ballast;

  constructor(campaign: Campaign, results: Results, number: number) {
    this.#campaign = campaign;
    this.#results = results;
    this.#number = number;
    this.directory = roundDirectory(campaign.work, number);
    mkdirSync(this.directory, { recursive: true });
    this.#ballast = new Ballast(this.directory);
  }

  async run(): Promise<void> {
    const { phases, source } = this.#campaign;
    await this.#each(PHASES, (program) => this.#first(program));
    if (phases.includes('unchanged')) {
      await this.#each(PHASES, (program) => this.#backup(program, 'unchanged'));
    }
    await this.#each(PHASES, (program) => this.#restore(program));
    if (!phases.includes('changed')) return;
    change(source, this.#number);
    await this.#each(['changed'], (program) => this.#backup(program, 'changed'));
    await this.#each(['changed'], (program) => this.#checkChanged(program));
  }

  /** @param lost the phases whose times do not count when this step fails */
  async #each(lost: readonly Phase[], work: (program: Program) => Promise<void>): Promise<void> {
    for (const program of this.#inTurn()) {
      if (lost.some((phase) => this.#results.failure(program, phase) !== undefined)) continue;
      try {
        await work(program);
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        this.#campaign.say(`${program.name}: FAILED: ${reason}`);
        this.#results.fail(program, lost, reason);
      }
    }
  }

  /** Another program begins each round. */
  #inTurn(): readonly Program[] {
    const { programs } = this.#campaign;
    const start = (this.#number - 1) % programs.length;
    return [...programs.slice(start), ...programs.slice(0, start)];
  }

  async #first(program: Program): Promise<void> {
    const place = this.#place(program);
    for (const step of program.init(place)) await measure(program, place, step);
    await this.#backup(program, 'first');
  }

  async #backup(program: Program, phase: Phase): Promise<void> {
    const { source } = this.#campaign;
    warm(source);
    await this.#timed(program, phase, program.backup(this.#place(program), source, phase));
  }

  async #restore(program: Program): Promise<void> {
    const { phases } = this.#campaign;
    const place = this.#place(program);
    const target = this.#target(program, 'restored');
    warm(place.repository);
    const label = phases.includes('unchanged') ? 'unchanged' : 'first';
    await this.#timed(program, 'restore', program.restore(place, this.#campaign.source, label, target));
    this.#compare(program, target);
  }

  async #checkChanged(program: Program): Promise<void> {
    const place = this.#place(program);
    const target = this.#target(program, 'checked');
    await measure(program, place, program.restore(place, this.#campaign.source, 'changed', target));
    this.#compare(program, target);
  }

  #compare(program: Program, target: string): void {
    const { source } = this.#campaign;
    const found = difference(source, program.restored(source, target), program.losesHardLinks !== true);
    if (found === '') return;
    const lines = found.split('\n');
    throw new Error(
      `what it restored differs from the source in ${lines.length} lines: ${lines.slice(0, 5).join('; ')}`,
    );
  }

  async #timed(program: Program, phase: Phase, step: Step): Promise<void> {
    const place = this.#place(program);
    if (phase === 'restore') this.#ballast.fill();
    execFileSync('sync');
    await sleep(PAUSE_MILLISECONDS);
    const cost = await measure(program, place, step);
    const sample = { ...cost, size: sizeOf(place.repository) };
    const { say } = this.#campaign;
    say(`${this.#number} ${phase} ${program.name}: ${cost.wall.toFixed(2)} s, CPU ${cost.cpu.toFixed(2)} s`);
    this.#results.add(program, phase, sample);
  }

  #place(program: Program): Place {
    return placeOf(program, this.#campaign.work, this.#number, this.#campaign.password);
  }

  #target(program: Program, name: string): string {
    const target = join(this.directory, program.name, name);
    mkdirSync(target, { recursive: true });
    return target;
  }
}
