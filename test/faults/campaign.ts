/** Runs commands under faults that follow from a seed, and gathers what is not as it should be. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { listSnapshots } from '../../src/repository/snapshots/snapshots.js';
import { Dice } from '../simulation/dice.js';
import { AREAS, type Area, type Command, commandsOn } from './commands.js';
import { judgeMount, runMount } from './mounted.js';
import { CALL_CLASSES, ERRORS, type Fault, MODES, Preload } from './preload.js';
import { type Ended, RunnerProcess } from './program.js';
import { ServedRunner } from './served.js';
import { type History, KINDS, type Kind, Stage } from './stage.js';
import { judgeState } from './state.js';
import { describeSnapshots, objectsIn, packCount, type Run, type Sound } from './traces.js';
import { comparable, judgeWords } from './words.js';

export interface CampaignOptions {
  /** An empty directory. */
  readonly directory: string;
  readonly runs: number;
  readonly seed: number;
  readonly kinds?: readonly Kind[];
  /** Only commands whose names match. */
  readonly only?: RegExp;
  readonly log?: (line: string) => void;
}

export interface Tally {
  runs: number;
  /** Calls that failed. */
  faults: number;
  /** Runs by exit code. */
  readonly codes: Map<number | undefined, number>;
}

export interface CampaignResult {
  readonly byCommand: ReadonlyMap<string, Tally>;
  /** A text for each run that was not as it should be. */
  readonly failures: readonly string[];
}

/** What a run begins with. */
interface Setting {
  readonly kind: Kind;
  readonly command: Command;
  /** Whether the cache is filled. */
  readonly warm: boolean;
}

/** Runs between two lines that say how far it is. */
const PROGRESS = 50;

export class Campaign {
  readonly #stage: Stage;
  readonly #preload: Preload;
  readonly #runner: RunnerProcess;
  readonly #served: ServedRunner;
  readonly #dice: Dice;
  readonly #options: CampaignOptions;
  readonly #sound = new Map<string, Sound>();
  readonly #byCommand = new Map<string, Tally>();
  readonly #failures: string[] = [];

  private constructor(stage: Stage, preload: Preload, options: CampaignOptions) {
    this.#stage = stage;
    this.#preload = preload;
    this.#runner = new RunnerProcess(stage, preload);
    this.#served = new ServedRunner(stage, preload, this.#runner);
    this.#options = options;
    this.#dice = new Dice(options.seed);
  }

  static async create(options: CampaignOptions): Promise<Campaign> {
    const { directory, kinds } = options;
    const preload = new Preload(directory);
    mkdirSync(join(directory, 'stage'));
    const stage = await Stage.create(join(directory, 'stage'), kinds);
    const campaign = new Campaign(stage, preload, options);
    for (const kind of kinds ?? KINDS) await campaign.#warm(kind);
    return campaign;
  }

  async run(): Promise<CampaignResult> {
    const { runs, kinds = KINDS, only = /^/ } = this.#options;
    for (let number = 0; number < runs; ) {
      const kind = this.#dice.pick(kinds);
      const commands = commandsOn(this.#stage, this.#stage.history(kind)).filter(
        ({ name, parityOnly }) => only.test(name) && (kind === 'parity' || parityOnly !== true),
      );
      const command = this.#dice.pick(commands);
      const setting = { kind, command, warm: this.#dice.chance(0.5) };
      const area = this.#dice.pick(command.areas);
      const fault = await this.#fault(setting, area);
      if (fault === undefined) continue;
      await this.one(setting, area, fault);
      number++;
      if (number % PROGRESS === 0)
        this.#options.log?.(`${number} runs, ${this.#failures.length} not as they should be`);
    }
    this.#runner.stop();
    await this.#served.stop();
    return { byCommand: this.#byCommand, failures: this.#failures };
  }

  /** Runs one command under one fault. */
  async one(setting: Setting, area: Area, fault: Fault): Promise<void> {
    const { kind, command, warm } = setting;
    const history = this.#stage.history(kind);
    const sound = await this.#withoutFault(setting);
    this.#stage.reset(setting);
    const before = objectsIn(this.#stage.run('repository'));
    const ended = await this.#start(command, fault);
    const report = this.#preload.report();
    this.#count(command, ended, report.failed);
    const run: Run = { command, area, fault, ended, report };
    const problems = judgeWords(run, sound);
    if (command.writes === undefined && objectsIn(this.#stage.run('repository')) !== before)
      problems.push('changed the repository');
    problems.push(...(await judgeState(this.#stage, history, run, sound)));
    if (ended.code !== 0) problems.push(...(await this.#again(run, history, sound)));
    if (command.mounts === true) problems.push(...judgeMount(ended, sound.ended.out));
    else problems.push(...(await this.#judgeResults(setting, ended, sound)));
    if (command.served === true && !(await this.#served.isAlive())) problems.push('the server has ended');
    if (problems.length === 0) return;
    const { calls, at, error, mode } = fault;
    const of = sound.report.counts[fault.area]?.[calls];
    const title = `${kind} ${warm ? 'warm' : 'cold'} | ${command.name} | ${area} | ${error} ${mode} at ${calls} ${at} of ${of}`;
    const text = `## ${title} | ${report.call} ${report.path}\n   code ${ended.code}, ${report.failed} failed: ${problems.join(' | ')}\n${quoted(ended.out.slice(-800))}${quoted(ended.err.slice(0, 1500))}`;
    this.#failures.push(text);
    this.#options.log?.(text);
  }

  /** A fault that the command can meet; undefined when it makes no calls there. */
  async #fault(setting: Setting, area: Area): Promise<Fault | undefined> {
    const { report } = await this.#withoutFault(setting);
    const number = AREAS.indexOf(area);
    const counts = report.counts[number];
    const classes = CALL_CLASSES.filter((each) => (counts?.[each] ?? 0) > 0);
    if (counts === undefined || classes.length === 0) return undefined;
    const calls = this.#dice.pick(classes);
    const at = this.#nth(counts[calls]);
    return { area: number, calls, at, mode: this.#dice.pick(MODES), error: this.#dice.pick(ERRORS) };
  }

  /** The first calls are of more kinds than the later ones: half of all faults are among the first ten. */
  #nth(count: number): number {
    return 1 + this.#dice.below(this.#dice.chance(0.5) ? Math.min(count, 10) : count);
  }

  /** What the command does without faults, and how many calls it makes. */
  async #withoutFault(setting: Setting): Promise<Sound> {
    const { kind, command, warm } = setting;
    const key = `${command.name} ${kind} ${warm}`;
    const known = this.#sound.get(key);
    if (known !== undefined) return known;
    this.#stage.reset(setting);
    const ended = await this.#start(command);
    const report = this.#preload.report();
    if (ended.code !== 0) throw new Error(`${command.name} without faults: ${ended.code}\n${ended.out}${ended.err}`);
    const { writes } = command;
    const sound: Sound = {
      ended,
      report,
      snapshots: writes === undefined ? [] : await this.#describe(writes),
      packs: writes === undefined ? 0 : packCount(this.#stage, writes),
    };
    this.#sound.set(key, sound);
    return sound;
  }

  async #describe(repository: string): Promise<string[]> {
    return describeSnapshots((await listSnapshots(await this.#stage.open(repository))).snapshots);
  }

  /** With exit code 0 a command has printed what it prints without faults, where that is the same each time. */
  async #judgeResults(setting: Setting, { code, out }: Ended, sound: Sound): Promise<string[]> {
    const usual = comparable(sound.ended.out);
    if (code !== 0 || setting.command.restores === true || comparable(out) === usual) return [];
    this.#stage.reset(setting);
    const again = await this.#start(setting.command);
    return comparable(again.out) === usual ? ['prints other results'] : [];
  }

  /** What failed can be run again when nothing fails any more, and does the whole work then. */
  async #again(run: Run, history: History, sound: Sound): Promise<string[]> {
    const { command } = run;
    if (command.writes === undefined && command.restores !== true && !command.areas.includes('target')) return [];
    // The lease of a process that is gone is stale.
    this.#runner.stop();
    const ended = await this.#start(command);
    if (ended.code === 0)
      return command.restores === true ? judgeState(this.#stage, history, { ...run, ended }, sound) : [];
    return command.onceOnly === true ? [] : [`run again: exit code ${ended.code}: ${ended.err.slice(0, 300)}`];
  }

  async #warm(kind: Kind): Promise<void> {
    this.#stage.reset({ kind, warm: false, command: {} });
    const { code, err } = await this.#start({ name: 'ls', args: ['ls', 'latest'], areas: [] });
    if (code !== 0) throw new Error(err);
    this.#stage.keepCache(kind);
  }

  #count({ name }: Command, { code }: Ended, failed: number): void {
    const tally = this.#byCommand.get(name) ?? { runs: 0, faults: 0, codes: new Map() };
    tally.runs++;
    tally.faults += failed;
    tally.codes.set(code, (tally.codes.get(code) ?? 0) + 1);
    this.#byCommand.set(name, tally);
  }

  #start(command: Command, fault?: Fault): Promise<Ended> {
    if (command.mounts === true) return runMount(this.#stage, this.#preload, command, fault);
    return (command.served === true ? this.#served : this.#runner).run(command, fault);
  }
}

const quoted = (text: string): string => text.trimEnd().replace(/^/gm, '   | ').concat('\n');
