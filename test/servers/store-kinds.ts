import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CEPH_MISSING, startCeph } from './ceph.js';
import { RCLONE_MISSING, type RestServer, startRclone } from './rclone.js';
import { REST_SERVER_MISSING, startRestServer } from './rest-server.js';
import { SSHD_MISSING, startSshd } from './sshd.js';
import { startVarveServe } from './varve-serve.js';

/** How repositories are reached, in words that can be handed to another process. */
export interface Way {
  /** What the place of a repository is before and after the folder where it is, or would be if it were in files. */
  readonly before: string;
  readonly after: string;
  /** Where a server has repositories that takes no folders in folders: by one name each. */
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

/** A server of the whole file system. */
async function overRest(starting: Promise<RestServer>): Promise<Served> {
  const { host, stop } = await starting;
  return { ...PLAIN, before: `rest:http://${host}`, after: '/', stop };
}

async function rclone(): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'varve-rclone-'));
  const environment = { RCLONE_CONFIG: join(folder, 'rclone.conf') };
  writeFileSync(environment.RCLONE_CONFIG, '[disk]\ntype = local\n');
  return { ...PLAIN, before: 'rclone:disk:', environment, stop: async () => rmSync(folder, { recursive: true }) };
}

async function sftp(): Promise<Served> {
  const { clientConfig, stop } = await startSshd();
  return { ...PLAIN, before: 'sftp:server:', extended: { 'sftp.args': `-F ${clientConfig}` }, stop };
}

async function s3(): Promise<Served> {
  const { endpoint, user, stop } = await startCeph();
  const environment = { AWS_ACCESS_KEY_ID: user.accessKeyId, AWS_SECRET_ACCESS_KEY: user.secretAccessKey };
  return { ...PLAIN, before: `s3:${endpoint}/varve`, environment, stop };
}

/** restic's own server knows only folders in a folder. */
async function restServer(): Promise<Served> {
  const root = mkdtempSync(join(tmpdir(), 'varve-rest-'));
  const { host, stop } = await startRestServer(root, undefined);
  const end = async (): Promise<void> => {
    await stop();
    rmSync(root, { recursive: true });
  };
  return { ...PLAIN, before: `rest:http://${host}/`, after: '/', root, stop: end };
}

export const STORE_KINDS: Readonly<Record<string, StoreKind>> = {
  local: { missing: false, hasFiles: true, start: async () => PLAIN },
  /** In the tests' own process: what starts another cannot use it. */
  memory: { missing: false, hasFiles: false, start: async () => PLAIN },
  s3: { missing: CEPH_MISSING, hasFiles: false, start: s3 },
  sftp: { missing: SSHD_MISSING, hasFiles: true, start: sftp },
  'rest-server': { missing: REST_SERVER_MISSING, hasFiles: true, start: restServer },
  'rclone-serve': { missing: RCLONE_MISSING, hasFiles: true, start: () => overRest(startRclone('/')) },
  serve: { missing: false, hasFiles: true, start: () => overRest(startVarveServe('/', undefined)) },
  rclone: { missing: RCLONE_MISSING, hasFiles: true, start: rclone },
};
