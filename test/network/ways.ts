import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/storage/guards/clock.js';
import { openGuarded } from '../../src/storage/guards/guard.js';
import { openRclone } from '../../src/storage/rclone/open.js';
import { openRest } from '../../src/storage/rest/open.js';
import { openS3 } from '../../src/storage/s3/open.js';
import type { StoreSettings } from '../../src/storage/settings.js';
import { openSftp } from '../../src/storage/sftp/open.js';
import type { Store } from '../../src/storage/store.js';
import { filesBelow } from '../serve/running.js';
import { type BadNetwork, startBadNetwork } from '../servers/bad-network.js';
import { BadRclone } from '../servers/bad-rclone.js';
import { startBadWire } from '../servers/bad-wire.js';
import { CEPH_MISSING, startCeph } from '../servers/ceph.js';
import { RCLONE_MISSING } from '../servers/rclone.js';
import { SSHD_MISSING, startSshd } from '../servers/sshd.js';
import { startVarveServe } from '../servers/varve-serve.js';

/** How a repository is reached. */
export interface Reach {
  readonly place: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Of `-o`. */
  readonly extended: Readonly<Record<string, string>>;
}

/** A server, and what stands before it through which not everything comes. */
export interface Way {
  readonly through: Reach;
  /** The same repository by another way. */
  readonly direct: Reach;
  /** What there was, by kind. */
  readonly faults: ReadonlyMap<string, number>;
  /** From now on there are faults; before, and after `calm`, there are none. */
  begin(): void;
  calm(): void;
  /** Called after each request that succeeded. */
  progressed(): void;
  /** Goes away: refuses, or says nothing. */
  vanish(how: 'refusing' | 'silent'): void;
  comeBack(): Promise<void>;
  /** Whether parts of objects may be left behind under their names. */
  readonly leavesParts: boolean;
  /** The programs and connections that should have ended but have not. */
  remains(): readonly unknown[];
  /** Files that are no objects. */
  leftovers(): readonly string[];
  stop(): Promise<void>;
}

/** Why tests of one are left out; false when it can be. */
export const MISSING: Readonly<Record<string, string | false>> = {
  serve: false,
  s3: CEPH_MISSING,
  sftp: SSHD_MISSING,
  rclone: RCLONE_MISSING,
};

export const WAYS: Readonly<Record<string, (seed: number) => Promise<Way>>> = {
  async serve(seed) {
    const directory = scratch();
    const server = await startVarveServe(directory, undefined);
    const network = await overHttp(server.host, seed);
    const reach = (host: string): Reach => ({
      place: `rest:http://${host}/repository/`,
      environment: {},
      extended: {},
    });
    return {
      ...byHttp(network),
      through: reach(network.host),
      direct: reach(server.host),
      async stop() {
        await network.stop();
        await server.stop();
        rmSync(directory, { recursive: true });
      },
    };
  },

  /** The name of the host is a part of what is signed: the proxy passes on the one that it is asked by. */
  async s3(seed) {
    const { port, user, stop } = await startCeph();
    const network = await overHttp(`127.0.0.1:${port}`, seed);
    const environment = { AWS_ACCESS_KEY_ID: user.accessKeyId, AWS_SECRET_ACCESS_KEY: user.secretAccessKey };
    const reach = (host: string): Reach => ({
      place: `s3:http://${host}/bucket/repository`,
      environment,
      extended: {},
    });
    return {
      ...byHttp(network),
      through: reach(network.host),
      direct: reach(`127.0.0.1:${port}`),
      async stop() {
        await network.stop();
        await stop();
      },
    };
  },

  async sftp(seed) {
    const sshd = await startSshd();
    const wire = await startBadWire(sshd.port, { seed, every: 700_000, latency: 1 });
    const reach = (args: string): Reach => ({
      place: `sftp:server:${join(sshd.directory, 'repository')}`,
      environment: {},
      extended: { 'sftp.args': `-F ${sshd.clientConfig} ${args}` },
    });
    return {
      through: reach(`-p ${wire.port}`),
      direct: reach(''),
      faults: wire.faults,
      begin: () => wire.begin(),
      calm: () => wire.calm(),
      progressed: () => undefined,
      vanish: (how) => wire.vanish(how),
      comeBack: () => wire.comeBack(),
      leavesParts: false,
      remains: () => [...sshd.connections(), ...programsWith(`-p ${wire.port} `)],
      leftovers: () => filesBelow(sshd.directory).filter((path) => path.includes('/.tmp-')),
      async stop() {
        await wire.stop();
        await sshd.stop();
      },
    };
  },

  async rclone(seed) {
    const directory = scratch();
    const bad = new BadRclone({ seed, every: 2 });
    const reach = (extended: Reach['extended']): Reach => ({
      place: `rclone:${join(directory, 'repository')}`,
      environment: { RCLONE_CONFIG: join(directory, 'none.conf') },
      extended,
    });
    return {
      through: reach({ 'rclone.program': bad.program }),
      direct: reach({}),
      faults: bad.faults,
      begin: () => bad.begin(),
      calm: () => bad.calm(),
      progressed: () => bad.progressed(),
      vanish: (how) => bad.vanish(how),
      comeBack: () => bad.comeBack(),
      leavesParts: true,
      remains: () => bad.running(),
      leftovers: () => [],
      async stop() {
        await bad.stop();
        rmSync(directory, { recursive: true });
      },
    };
  },
};

const PROVIDERS: Readonly<Record<string, (rest: string, settings: StoreSettings) => Promise<Store>>> = {
  rest: openRest,
  s3: openS3,
  sftp: openSftp,
  rclone: openRclone,
};

/** Waits a fiftieth of what it should, so that many failures take little time. */
const IMPATIENT = {
  ...systemClock,
  sleep: (milliseconds: number, signal: AbortSignal) => systemClock.sleep(milliseconds / 50, signal),
};

/** The repository as varve opens it, but for its idleTimeout. */
export function openReach({ place, environment, extended }: Reach, onDebug?: (line: string) => void): Promise<Store> {
  const [, scheme = '', rest = ''] = /^([a-z0-9]+):(.*)$/s.exec(place) ?? [];
  const open = PROVIDERS[scheme];
  if (open === undefined) throw new Error(`no provider of ${place}`);
  const settings: StoreSettings = {
    environment: { ...process.env, ...environment },
    extended: new Map(Object.entries(extended)),
    idleTimeoutSeconds: 20,
    retrySeconds: 120,
    onDebug,
  };
  return openGuarded(place, (how) => open(rest, how), settings, IMPATIENT);
}

/** Processes of any parent that were started with this among their arguments. */
function programsWith(argument: string): string[] {
  const { stdout } = spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line.includes(argument));
}

const scratch = (): string => mkdtempSync(join(tmpdir(), 'varve-network-'));

const RATE = 0.4;

const overHttp = (behind: string, seed: number): Promise<BadNetwork> =>
  startBadNetwork(behind, { seed, rate: 0, latency: 2, lateness: 30 });

function byHttp(network: BadNetwork): Omit<Way, 'through' | 'direct' | 'stop'> {
  return {
    faults: network.faults,
    begin() {
      network.rate = RATE;
    },
    calm() {
      network.rate = 0;
    },
    progressed: () => undefined,
    vanish: (how) => network.vanish(how),
    comeBack: () => network.comeBack(),
    leavesParts: false,
    remains: () => [],
    leftovers: () => [],
  };
}
