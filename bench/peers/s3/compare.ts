import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CEPH_MISSING, type CephServer, startCeph } from '../../../test/servers/ceph.js';
import { Ballast } from '../ballast.js';
import { placeOf } from '../campaign.js';
import { copyOf } from '../data.js';
import { setting } from '../machine.js';
import { type Cost, type Measured, measure } from '../measure.js';
import type { Bench } from '../options.js';
import { BASE } from '../phases.js';
import type { Place, Program, Step } from '../programs/program.js';
import { MIB, mebibytes, ratio, seconds, table } from '../table.js';
import { difference, sizeOf, warm } from '../tree.js';
import { type Distance, startFar } from './far.js';

const PAUSE_MILLISECONDS = 2000;
const BUCKET = 'bench';
const KINDS = ['LIST', 'GET', 'HEAD', 'PUT', 'POST', 'DELETE'] as const;
const LATENCY = 50;
/** 1 Gbit/s. */
const WIRE: Distance = { milliseconds: LATENCY, bytesPerSecond: 125_000_000 };
const NO_WIRE: Distance = { milliseconds: LATENCY, bytesPerSecond: undefined };
/** Packs that the plain download fetches at a time. */
const TRANSFERS = 16;

/** The cost of one run, and its requests to the server. */
interface Run extends Cost {
  readonly phase: string;
  readonly name: string;
  readonly requests: ReadonlyMap<string, number>;
}

/** Backups to a real S3 server on this machine and restores from it: directly, and through a proxy that adds latency. */
export async function compareS3(bench: Bench): Promise<string> {
  if (CEPH_MISSING !== false) throw new Error(CEPH_MISSING);
  const work = join(bench.work, 's3');
  const source = join(work, 'data');
  bench.say(`copying ${bench.data.join(' ')}`);
  copyOf(bench.data, source);
  const size = sizeOf(source);
  const server = await startCeph();
  try {
    const comparison = new Comparison(bench, server, source, work);
    await comparison.near();
    await comparison.far();
    const content = `A copy of ${bench.data.join(' and ')}: ${size.files} files, ${Math.round(size.apparent / MIB)} MiB. The server is Ceph's gateway on the same machine, before a store that
keeps all in memory; its log has the requests. ${LATENCY} ms are added to each by a proxy, which also lets ${(WIRE.bytesPerSecond as number) / 1e6} MB pass a second where it says 1 Gbit/s. A
plain download is \`rclone copy --transfers ${TRANSFERS}\` of varve's packs from there to a directory. One round; ÷ is by ${BASE}'s.`;
    return [setting(bench.programs), content, comparison.costs(), comparison.download()].join('\n\n');
  } finally {
    await server.stop();
  }
}

class Comparison {
  readonly #bench: Bench;
  readonly #server: CephServer;
  readonly #source: string;
  readonly #work: string;
  readonly #ballast: Ballast;
  readonly #runs: Run[] = [];
  #targets = 0;

  constructor(bench: Bench, server: CephServer, source: string, work: string) {
    this.#bench = bench;
    this.#server = server;
    this.#source = source;
    this.#work = work;
    this.#ballast = new Ballast(work);
  }

  async near(): Promise<void> {
    const { endpoint } = this.#server;
    const { programs } = this.#bench;
    for (const program of programs) {
      const place = this.#place(program, endpoint);
      mkdirSync(place.home, { recursive: true });
      for (const step of program.init(place)) await measure(program, place, step);
    }
    await this.#backups('first backup', endpoint);
    await this.#backups('nothing changed', endpoint);
    await this.#restores('restore', endpoint);
  }

  async far(): Promise<void> {
    const slow = await startFar(this.#server.port, NO_WIRE);
    await this.#backups('nothing changed, 50 ms', slow.endpoint);
    await this.#restores('restore, 50 ms', slow.endpoint);
    await this.#download('50 ms', slow.endpoint);
    await slow.stop();
    const wire = await startFar(this.#server.port, WIRE);
    await this.#restores('restore, 50 ms, 1 Gbit/s', wire.endpoint);
    await this.#download('50 ms, 1 Gbit/s', wire.endpoint);
    await wire.stop();
  }

  async #backups(phase: string, endpoint: string): Promise<void> {
    for (const program of this.#bench.programs) {
      warm(this.#source);
      const place = this.#place(program, endpoint);
      await this.#timed(phase, program.name, program, place, program.backup(place, this.#source, phase));
    }
  }

  async #restores(phase: string, endpoint: string): Promise<void> {
    for (const program of this.#bench.programs) {
      const place = this.#place(program, endpoint);
      const target = this.#target();
      await this.#timed(phase, program.name, program, place, program.restore(place, this.#source, phase, target));
      const found = difference(this.#source, program.restored(this.#source, target), program.losesHardLinks !== true);
      if (found !== '') throw new Error(`what ${program.name} restored differs: ${found.slice(0, 300)}`);
    }
  }

  /** A plain download of varve's packs. */
  async #download(phase: string, endpoint: string): Promise<void> {
    const rclone: Measured = {
      environment: () => ({
        RCLONE_CONFIG_FAR_TYPE: 's3',
        RCLONE_CONFIG_FAR_PROVIDER: 'Ceph',
        RCLONE_CONFIG_FAR_ENV_AUTH: 'true',
        RCLONE_CONFIG_FAR_ENDPOINT: endpoint,
      }),
    };
    const place = this.#place({ name: 'rclone' }, endpoint);
    const from = `far:${BUCKET}/varve/data`;
    const argv = ['rclone', 'copy', '--transfers', String(TRANSFERS), from, this.#target()];
    await this.#timed(`plain download, ${phase}`, 'rclone', rclone, place, { argv });
  }

  async #timed(phase: string, name: string, measured: Measured, place: Place, step: Step): Promise<void> {
    execFileSync('sync');
    await sleep(PAUSE_MILLISECONDS);
    const before = this.#server.requests();
    const cost = await measure(measured, place, step);
    // The gateway writes its log with a short delay.
    await sleep(PAUSE_MILLISECONDS);
    const after = this.#server.requests();
    const requests = new Map(KINDS.map((kind) => [kind, (after.get(kind) ?? 0) - (before.get(kind) ?? 0)]));
    this.#bench.say(
      `${phase} ${name}: ${cost.wall.toFixed(2)} s, CPU ${cost.cpu.toFixed(2)} s, ${sum(requests)} requests`,
    );
    this.#runs.push({ ...cost, phase, name, requests });
  }

  #place({ name }: Pick<Program, 'name'>, endpoint: string): Place {
    const { accessKeyId, secretAccessKey } = this.#server.user;
    const credentials = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    const { home, password } = placeOf({ name }, this.#work, 1, this.#bench.password);
    return { home, password, repository: `s3:${endpoint}/${BUCKET}/${name}`, credentials };
  }

  /** Makes a new target directory, and memory that the kernel can reclaim at once. */
  #target(): string {
    this.#ballast.fill();
    const target = join(this.#work, `restored-${this.#targets++}`);
    mkdirSync(target);
    return target;
  }

  costs(): string {
    const rows = this.#runs.map(({ phase, name, wall, cpu, memory, requests }) => {
      const base = this.#runs.find((run) => run.phase === phase && run.name === BASE);
      const counts = KINDS.map((kind) => requests.get(kind) ?? 0);
      const shares = [ratio(wall, base?.wall), ratio(cpu, base?.cpu), ratio(sum(requests), base && sum(base.requests))];
      return [phase, name, seconds(wall), seconds(cpu), mebibytes(memory), ...counts, ...shares];
    });
    const header = [
      'phase',
      'program',
      'wall s',
      'CPU s',
      'peak memory MiB',
      ...KINDS,
      'wall ÷',
      'CPU ÷',
      'requests ÷',
    ];
    return table(header, rows);
  }

  /** The speed of a restore as a fraction of a plain download's. */
  download(): string {
    const rows = ['50 ms', '50 ms, 1 Gbit/s'].map((phase) => {
      const plain = this.#runs.find((run) => run.phase === `plain download, ${phase}`)?.wall ?? Number.NaN;
      const shares = this.#bench.programs.map(({ name }) => {
        const restore = this.#runs.find((run) => run.phase === `restore, ${phase}` && run.name === name)?.wall;
        return ratio(plain, restore);
      });
      return [phase, seconds(plain), ...shares];
    });
    const names = this.#bench.programs.map(({ name }) => `${name}'s restore reaches`);
    return table(['', 'plain download s', ...names], rows);
  }
}

const sum = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((all, each) => all + each, 0);
