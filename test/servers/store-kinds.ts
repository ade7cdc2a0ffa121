import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RestServer } from './rclone.js';

/** How repositories are reached, in words that can be handed to another process. */
export interface Way {
  /** What the place of a repository is before and after the directory where it is, or would be if it were in files. */
  readonly before: string;
  readonly after: string;
  /** Where a server has repositories that takes no directories in directories: by one name each. */
  readonly root?: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Of `-o`. */
  readonly extended: Readonly<Record<string, string>>;
}

export interface Served extends Way {
  stop(): Promise<void>;
}

/** A kind of store that the tests of repositories run over. */
export interface StoreKind {
  /** Why it cannot be had here, or false. */
  readonly missing: false | string;
  /** Whether what it serves are files of this machine. */
  readonly hasFiles: boolean;
  start(): Promise<Served>;
}

const PLAIN: Served = { before: '', after: '', environment: {}, extended: {}, stop: async () => undefined };

/** What a kind needs is looked for, or built, when it is asked for. */
export const STORE_KINDS: Readonly<Record<string, () => Promise<StoreKind>>> = {
  local: async () => ({ missing: false, hasFiles: true, start: async () => PLAIN }),
  /** In the tests' own process: what starts another cannot use it. */
  memory: async () => ({ missing: false, hasFiles: false, start: async () => PLAIN }),
  s3,
  sftp,
  'rest-server': restServer,
  'rclone-serve': rcloneServe,
  serve,
  rclone,
};

async function s3(): Promise<StoreKind> {
  const { CEPH_MISSING, startCeph } = await import('./ceph.js');
  const start = async (): Promise<Served> => {
    const { endpoint, user, stop } = await startCeph();
    const environment = { AWS_ACCESS_KEY_ID: user.accessKeyId, AWS_SECRET_ACCESS_KEY: user.secretAccessKey };
    return { ...PLAIN, before: `s3:${endpoint}/varve`, environment, stop };
  };
  return { missing: CEPH_MISSING, hasFiles: false, start };
}

async function sftp(): Promise<StoreKind> {
  const { SSHD_MISSING, startSshd } = await import('./sshd.js');
  const start = async (): Promise<Served> => {
    const { clientConfig, stop } = await startSshd();
    return { ...PLAIN, before: 'sftp:server:', extended: { 'sftp.args': `-F ${clientConfig}` }, stop };
  };
  return { missing: SSHD_MISSING, hasFiles: true, start };
}

/** restic's own server knows only directories in a directory. */
async function restServer(): Promise<StoreKind> {
  const { REST_SERVER_MISSING, startRestServer } = await import('./rest-server.js');
  const start = async (): Promise<Served> => {
    const root = mkdtempSync(join(tmpdir(), 'varve-rest-'));
    const { host, stop } = await startRestServer(root, undefined);
    const end = async (): Promise<void> => {
      await stop();
      rmSync(root, { recursive: true });
    };
    return { ...PLAIN, before: `rest:http://${host}/`, after: '/', root, stop: end };
  };
  return { missing: REST_SERVER_MISSING, hasFiles: true, start };
}

/** Otherwise rclone keeps the sizes of its first listing, even when the files change. */
const NO_CACHE = '--cache-objects=false';

async function rcloneServe(): Promise<StoreKind> {
  const { RCLONE_MISSING, startRclone } = await import('./rclone.js');
  return { missing: RCLONE_MISSING, hasFiles: true, start: async () => wholeDisk(await startRclone('/', NO_CACHE)) };
}

async function serve(): Promise<StoreKind> {
  const { startVarveServe } = await import('./varve-serve.js');
  return { missing: false, hasFiles: true, start: async () => wholeDisk(await startVarveServe('/', undefined)) };
}

function wholeDisk({ host, stop }: RestServer): Served {
  return { ...PLAIN, before: `rest:http://${host}`, after: '/', stop };
}

async function rclone(): Promise<StoreKind> {
  const { RCLONE_MISSING } = await import('./rclone.js');
  const start = async (): Promise<Served> => {
    const directory = mkdtempSync(join(tmpdir(), 'varve-rclone-'));
    const environment = { RCLONE_CONFIG: join(directory, 'rclone.conf') };
    writeFileSync(environment.RCLONE_CONFIG, '[disk]\ntype = local\n');
    const extended = { 'rclone.args': `serve restic --stdio ${NO_CACHE}` };
    const stop = async (): Promise<void> => rmSync(directory, { recursive: true });
    return { before: 'rclone:disk:', after: '', environment, extended, stop };
  };
  return { missing: RCLONE_MISSING, hasFiles: true, start };
}
