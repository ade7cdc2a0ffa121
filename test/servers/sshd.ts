import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** An sshd of the test's own, which lets the test's user in by a key. */
export interface Sshd {
  readonly port: number;
  readonly user: string;
  /** For files that tests give it to serve, or need beside. */
  readonly folder: string;
  /** For `ssh -F`: with it, `ssh HOST` reaches the server, whatever HOST is. */
  readonly clientConfig: string;
  readonly hostKey: string;
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

const PATHS = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/sbin/sshd'];
const SFTP_SERVERS = ['/usr/lib/openssh/sftp-server', '/usr/libexec/openssh/sftp-server', '/usr/libexec/sftp-server'];

export const sshdPath: string | undefined = PATHS.find((path) => existsSync(path));
export const sftpServerPath: string | undefined = SFTP_SERVERS.find((path) => existsSync(path));

/** Why there is no sshd to test with; undefined where there is one. In CI it must be there. */
export function whyNoSshd(): string | undefined {
  const missing = sshdPath === undefined ? 'openssh-server is not installed' : undefined;
  if (missing !== undefined && process.env.CI_SERVERS === 'required') throw new Error(missing);
  return missing;
}

export async function startSshd({ subsystem = 'internal-sftp', config = [] }: SshdOptions = {}): Promise<Sshd> {
  if (sshdPath === undefined) throw new Error('openssh-server is not installed');
  const folder = mkdtempSync(join(tmpdir(), 'varve-sshd-'));
  const port = await freePort();
  const user = userInfo().username;
  const hostKey = join(folder, 'host-key');
  for (const key of [hostKey, join(folder, 'key')]) makeKey(key);
  writeFileSync(join(folder, 'known-hosts'), `* ${publicKey(hostKey)}\n`);
  const serverConfig = write(folder, 'sshd-config', [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${join(folder, 'key.pub')}`,
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
  const clientConfig = write(folder, 'client-config', [
    'Host *',
    'HostName 127.0.0.1',
    `Port ${port}`,
    `User ${user}`,
    `IdentityFile ${join(folder, 'key')}`,
    'IdentitiesOnly yes',
    'IdentityAgent none',
    `UserKnownHostsFile ${join(folder, 'known-hosts')}`,
    'GlobalKnownHostsFile none',
    'StrictHostKeyChecking yes',
    'BatchMode yes',
  ]);
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const server = spawn(sshdPath, ['-D', '-e', '-f', serverConfig], { stdio: ['ignore', 'ignore', 'pipe'] });
  await listening(server);
  return {
    port,
    user,
    folder,
    clientConfig,
    hostKey,
    connections: () => childrenOf(server.pid as number),
    async stop() {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      const serving = childrenOf(server.pid as number);
      if (server.exitCode === null && server.signalCode === null) {
        server.kill('SIGTERM');
        await ended;
      }
      for (const pid of serving) kill(pid);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A port of 127.0.0.1 that nobody listens at. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export function makeKey(path: string): void {
  const { status, stderr } = spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', path]);
  if (status !== 0) throw new Error(`ssh-keygen: ${stderr}`);
}

function publicKey(path: string): string {
  return spawnSync('ssh-keygen', ['-y', '-f', path], { encoding: 'utf8' }).stdout.trim();
}

function write(folder: string, name: string, lines: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 });
  return path;
}

function listening(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    server.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('Server listening')) resolve();
    });
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`sshd ended with ${code}: ${said}`)));
  });
}

function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return (stdout ?? '')
    .split('\n')
    .map(Number)
    .filter((child) => child > 0);
}

function kill(pid: number): void {
  try {
    process.kill(pid);
  } catch {
    // It has ended already.
  }
}
