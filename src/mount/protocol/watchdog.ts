import { spawn } from 'node:child_process';
import { childEnvironment } from '../../storage/transport/child-environment.js';
import { escapeMount } from './mounting.js';

/** A process beside this one that takes the mount away should this one die without doing so. */
export interface Watchdog {
  /** The mount is gone: there is nothing left to watch. */
  dismiss(): void;
}

/**
 * Reads a line that comes when all is well. When its input ends without one, whoever should have written it is dead. The mount is only taken away while it is
 * ours, and dead.
 */
const SCRIPT = `IFS= read -r word && exit 0
for try in 1 2 3 4 5 6 7 8 9 10; do
  grep -q " $ESCAPED fuse.varve " /proc/self/mounts || exit 0
  if [ "$(id -u)" = 0 ]; then umount -l -- "$MOUNT" && exit 0; else fusermount3 -u -z -- "$MOUNT" && exit 0; fi
  sleep 0.2
done`;

export function watch(path: string): Watchdog {
  const escaped = escapeMount(path).replaceAll(/[\\.*[\]^$]/g, '\\$&');
  const child = spawn('/bin/sh', ['-c', SCRIPT], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env: { ...childEnvironment('system', process.env), MOUNT: path, ESCAPED: escaped },
  });
  child.on('error', () => undefined);
  child.stdin?.on('error', () => undefined);
  child.unref();
  (child.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  return { dismiss: () => void child.stdin?.end('ended\n') };
}
