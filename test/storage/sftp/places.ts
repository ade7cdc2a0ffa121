import { spawnSync } from 'node:child_process';
import type { StoreSettings } from '../../../src/storage/settings.js';
import { openSftp } from '../../../src/storage/sftp/open.js';
import type { Store } from '../../../src/storage/store.js';
import type { Sshd } from '../../servers/sshd.js';
import { settings } from '../transport/settings.js';

export interface Given extends Partial<Omit<StoreSettings, 'extended'>> {
  /** More of `-o sftp.args`. */
  readonly args?: string;
}

/** A store on a server of the tests. */
export function openOn(sshd: Sshd, path: string, { args = '', ...given }: Given = {}): Promise<Store> {
  const extended = new Map([['sftp.args', `-F ${sshd.clientConfig} ${args}`]]);
  return openSftp(`server:${path}`, settings({ idleTimeoutSeconds: 60, ...given, extended }));
}

/** A store that a command reaches. */
export function openBy(command: string, path: string): Promise<Store> {
  return openSftp(
    `server:${path}`,
    settings({ idleTimeoutSeconds: 60, extended: new Map([['sftp.command', command]]) }),
  );
}

/** The processes of ssh that this one has started. */
export function sshProcesses(): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=,comm=', '--ppid', String(process.pid)], { encoding: 'utf8' });
  return stdout.split('\n').flatMap((line) => {
    const [, pid, name] = /^\s*(\d+) (.*)$/.exec(line) ?? [];
    return name === 'ssh' ? [Number(pid)] : [];
  });
}
