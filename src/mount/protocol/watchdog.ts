// Unmounts when this process dies.
// A normal end unmounts in mounting.ts.

import { spawn } from 'node:child_process';
import { childEnvironment } from '../../storage/transport/child-environment.js';
import { escapeMount } from './mounting.js';

/** A process that unmounts if this one dies without doing so. */
export interface Watchdog {
  /** Ends the watchdog, because the mount has ended. */
  dismiss(): void;
}

/**
 * Waits for a line on standard input. If the input ends without one, varve has died, and the script unmounts. It does so only
 * while the mount is varve's and dead.
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
