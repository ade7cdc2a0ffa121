import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { missingPrograms, programPath } from './programs.js';
import { startProgram } from './started-program.js';

/** An sshd of the test's own, which lets the test's user in by a key. */
export interface Sshd {
  readonly port: number;
  readonly user: string;
  /** For files that tests give it to serve, or need beside. */
  readonly directory: string;
  /** For `ssh -F`: with it, `ssh HOST` reaches the server for any HOST. */
  readonly clientConfig: string;
  /** Processes of it that serve connections at the moment. */
  connections(): number[];
  stop(): Promise<void>;
}

export interface SshdOptions {
  /** The command of the sftp subsystem; none for an empty one. */
  readonly subsystem?: string;
  /** More lines of sshd_config. */
  readonly config?: readonly string[];
}

const SFTP_SERVERS = ['/usr/lib/openssh/sftp-server', '/usr/libexec/openssh/sftp-server', '/usr/libexec/sftp-server'];

/** The program that speaks SFTP on its own, without sshd; undefined where it is not installed. */
export const sftpServer: string | undefined = SFTP_SERVERS.find((path) => existsSync(path));
export const SSHD_MISSING = missingPrograms(['sshd', 'ssh', 'ssh-keygen'], 'openssh-server openssh-client');

export async function startSshd({ subsystem = 'internal-sftp', config = [] }: SshdOptions = {}): Promise<Sshd> {
  const directory = mkdtempSync(join(tmpdir(), 'varve-sshd-'));
  const port = await freePort();
  const user = userInfo().username;
  const hostKey = join(directory, 'host-key');
  for (const key of [hostKey, join(directory, 'key')]) makeKey(key);
  writeFileSync(join(directory, 'known-hosts'), `* ${publicKey(hostKey)}\n`);
  const serverConfig = write(directory, 'sshd-config', [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${join(directory, 'key.pub')}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin yes',
    'PidFile none',
    'MaxStartups 100',
    ...(subsystem === '' ? [] : [`Subsystem sftp ${subsystem}`]),
    ...config,
  ]);
  const clientConfig = write(directory, 'client-config', [
    'Host *',
    'HostName 127.0.0.1',
    `Port ${port}`,
    `User ${user}`,
    `IdentityFile ${join(directory, 'key')}`,
    'IdentitiesOnly yes',
    'IdentityAgent none',
    `UserKnownHostsFile ${join(directory, 'known-hosts')}`,
    'GlobalKnownHostsFile none',
    'StrictHostKeyChecking yes',
    'BatchMode yes',
  ]);
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const path = programPath('sshd');
  if (path === undefined) throw new Error('sshd is not installed');
  const server = await startProgram(path, ['-D', '-e', '-f', serverConfig], /Server listening/);
  return {
    port,
    user,
    directory,
    clientConfig,
    connections: () => childrenOf(server.pid),
    async stop() {
      const serving = childrenOf(server.pid);
      await server.stop();
      for (const pid of serving) end(pid);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A port of 127.0.0.1 without a listener. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export function makeKey(path: string, passphrase = ''): void {
  const { status, stderr } = spawnSync('ssh-keygen', [
    '-q',
    '-t',
    'ed25519',
    '-N',
    passphrase,
    '-C',
    'test',
    '-f',
    path,
  ]);
  if (status !== 0) throw new Error(`ssh-keygen: ${stderr}`);
}

function publicKey(path: string): string {
  return spawnSync('ssh-keygen', ['-y', '-f', path], { encoding: 'utf8' }).stdout.trim();
}

function write(directory: string, name: string, lines: readonly string[]): string {
  const path = join(directory, name);
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 });
  return path;
}

function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return (stdout ?? '')
    .split('\n')
    .map(Number)
    .filter((child) => child > 0);
}

function end(pid: number): void {
  try {
    process.kill(pid);
  } catch {
    // It has ended already.
  }
}
