import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { missingPrograms } from './programs.js';
import { suspend } from './suspend.js';

export const CEPH_MISSING = missingPrograms(
  ['ceph', 'ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'monmaptool', 'setpriv'],
  'radosgw ceph-mon ceph-osd ceph-common util-linux',
);

const START_SECONDS = 60;
/** Bytes of memory that objects may take. */
const CAPACITY = 8 * 1024 ** 3;

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A real S3 server: Ceph's gateway before one monitor and one OSD that keeps all in memory. */
export interface CephServer {
  /** "http://127.0.0.1:PORT" */
  readonly endpoint: string;
  readonly port: number;
  /** Who may make buckets. */
  readonly user: Credentials & { readonly id: string };
  /** Another account, with its own keys. */
  addUser(id: string): Promise<Credentials>;
  /** Runs `radosgw-admin`. */
  admin(...args: string[]): Promise<string>;
  /** Of all requests until now, by its own log: how many of each kind (GET, LIST, PUT…). */
  requests(): ReadonlyMap<string, number>;
  /** Suspends or resumes the OSD. While it is suspended, the gateway does not answer. */
  freeze(frozen: boolean): void;
  stop(): Promise<void>;
}

/** Starts in 3 to 6 s. It ends with this process, even when this process is killed. */
export async function startCeph(): Promise<CephServer> {
  const directory = mkdtempSync(join(tmpdir(), 'varve-ceph-'));
  const daemons: Daemon[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(daemons.map((daemon) => daemon.kill()));
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    return { ...(await start(directory, daemons)), stop };
  } catch (cause) {
    const logs = daemons.map((daemon) => daemon.log());
    await stop();
    throw new Error(`Ceph did not start: ${cause}\n${logs.join('\n')}`);
  }
}

async function start(directory: string, daemons: Daemon[]): Promise<Omit<CephServer, 'stop'>> {
  const [monitorPort, port] = [await freePort(), await freePort()];
  const cluster = randomUUID();
  const configuration = join(directory, 'ceph.conf');
  for (const each of ['mon', 'osd', 'rgw', 'run']) mkdirSync(join(directory, each));
  writeFileSync(configuration, configurationText({ directory, cluster, monitorPort, port }));
  const daemon = (program: string, ...args: string[]): void => {
    daemons.push(new Daemon(join(directory, `${program}.out`), program, [...args, '-f', '-c', configuration]));
  };
  const run = (program: string, ...args: string[]): Promise<string> => runOnce(program, [...args, '-c', configuration]);
  const address = `[v2:127.0.0.1:${monitorPort}]`;
  const map = join(directory, 'monmap');
  await runOnce('monmaptool', ['--create', '--fsid', cluster, '--addv', 'a', address, map]);
  await run('ceph-mon', '-i', 'a', '--mkfs', '--monmap', map);
  daemon('ceph-mon', '-i', 'a');
  const osd = randomUUID();
  await run('ceph', '--connect-timeout', String(START_SECONDS), 'osd', 'new', osd, '0');
  await run('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', osd);
  daemon('ceph-osd', '-i', '0');
  const admin = (...args: string[]): Promise<string> => run('radosgw-admin', ...args);
  const addUser = async (id: string): Promise<Credentials> => {
    const keys = { accessKeyId: randomText(20), secretAccessKey: randomText(40) };
    const { accessKeyId, secretAccessKey } = keys;
    await admin(
      'user',
      'create',
      `--uid=${id}`,
      `--display-name=${id}`,
      `--access-key=${accessKeyId}`,
      `--secret-key=${secretAccessKey}`,
    );
    return keys;
  };
  const user = { id: 'tester', ...(await addUser('tester')) };
  daemon('radosgw', '-n', 'client.rgw');
  const endpoint = `http://127.0.0.1:${port}`;
  await answers(endpoint);
  return {
    endpoint,
    port,
    user,
    addUser,
    admin,
    requests: () => requestsIn(readFileSync(join(directory, 'client.rgw.log'), 'latin1')),
    freeze(frozen) {
      if (frozen) suspend(daemons[1]?.pid);
      else daemons[1]?.signal('SIGCONT');
    },
  };
}

/** A listing is a GET of a bucket. */
function requestsIn(log: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [, method = '', target = ''] of log.matchAll(/ beast: .*? "(\w+) (\S+) HTTP/g)) {
    const kind = method === 'GET' && target.includes('list-type=2') ? 'LIST' : method;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

async function answers(endpoint: string): Promise<void> {
  for (const end = Date.now() + START_SECONDS * 1000; ; await sleep(50)) {
    const status = await fetch(endpoint).then(
      ({ status }) => status,
      () => 0,
    );
    if (status === 200) return;
    if (Date.now() > end) throw new Error(`no answer at ${endpoint} (${status})`);
  }
}

/** A program that the kernel ends when this process ends. */
class Daemon {
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #output: string;

  constructor(output: string, program: string, args: readonly string[]) {
    this.#output = output;
    const command = ['--pdeathsig', 'KILL', 'sh', '-c', 'out=$1; shift; exec "$@" >"$out" 2>&1', 'sh', output, program];
    this.#process = spawn('setpriv', [...command, ...args], { stdio: 'ignore', env: environment() });
    this.#ended = once(this.#process, 'exit').catch(() => undefined);
    this.#process.unref();
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    this.#process.ref();
    await this.#ended;
  }

  log(): string {
    try {
      return `${this.#output}: ${readFileSync(this.#output, 'utf8').slice(-2000)}`;
    } catch {
      return `${this.#output}: nothing`;
    }
  }
}

async function runOnce(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { env: environment(), timeout: START_SECONDS * 1000 });
  return stdout;
}

/** The ceph command is a program of the system's own Python. */
function environment(): NodeJS.ProcessEnv {
  const { PYTHONPATH: _, PYTHONHOME: __, ...rest } = process.env;
  return { ...rest, PATH: `${rest.PATH}:/usr/sbin` };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Letters and digits. */
function randomText(length: number): string {
  return randomBytes(length)
    .toString('base64')
    .replace(/[^A-Za-z0-9]/g, '7')
    .slice(0, length);
}

interface Cluster {
  readonly directory: string;
  readonly cluster: string;
  readonly monitorPort: number;
  readonly port: number;
}

function configurationText({ directory, cluster, monitorPort, port }: Cluster): string {
  return `[global]
fsid = ${cluster}
mon_host = v2:127.0.0.1:${monitorPort}
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
ms_bind_msgr1 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
keyring = /dev/null
run_dir = ${directory}/run
crash_dir = ${directory}/run
log_file = ${directory}/$name.log
pid_file = ${directory}/run/$name.pid
admin_socket = ${directory}/run/$name.asok
# One copy of everything, in few placement groups, without a manager daemon.
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
# New maps at once instead of once a second: most of the time that a start takes.
paxos_propose_interval = 0.05
paxos_min_wait = 0.01

[mon]
mon_data = ${directory}/mon
mon_cluster_log_file = ${directory}/cluster.log
mon_data_avail_warn = 1
mon_data_avail_crit = 0

[osd]
osd_data = ${directory}/osd
osd_objectstore = memstore
memstore_device_bytes = ${CAPACITY}

[client.rgw]
# Without tcp_nodelay every GET takes 40 ms.
rgw_frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw_data = ${directory}/rgw
rgw_thread_pool_size = 64
rgw_run_sync_thread = false
rgw_enable_usage_log = false
# radosgw insists on an encrypted session otherwise, which needs keys.
ms_mon_client_mode = crc
`;
}
