// Mounts in a process of its own, for tests.
// What the mount shows is checked by the tests.

import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { systemReason } from '../../src/errors/errors.js';
import { isMounted } from '../../src/mount/protocol/mounting.js';
import type { Options, Outcome, Playground } from '../cli/varve.js';
import { outcome } from '../cli/varve.js';

/** Milliseconds until the mount is ready, on a busy machine. */
const MOUNT_TIMEOUT = 30_000;
export const NOBODY = 65_534;

/** Why tests that mount are skipped; false where they can run. In CI nothing is skipped. */
export const NO_FUSE = reasonAgainst();
/** Why tests that mount as a user other than root are skipped. */
export const NO_USER_FUSE =
  NO_FUSE ||
  (process.getuid?.() !== 0
    ? 'starts a process of another user: runs as root only'
    : (statSync('/dev/fuse').mode & 0o006) !== 6
      ? required('/dev/fuse is closed to users: chmod 666 /dev/fuse')
      : false);

function reasonAgainst(): string | false {
  try {
    closeSync(openSync('/dev/fuse', 'r+'));
    return false;
  } catch (cause) {
    return required(`MOUNTS ARE NOT TESTED: /dev/fuse cannot be opened: ${systemReason(cause)}`);
  }
}

function required(reason: string): string {
  if (process.env.CI_SERVERS === 'required') throw new Error(reason);
  return reason;
}

/** A mount, served by a process of its own. */
export interface Running {
  readonly path: string;
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
  /** Its standard error so far. */
  stderr(): string;
  /** Ends it as Ctrl-C does. Returns its exit. */
  stop(): Promise<Outcome>;
}

/** Mounts on a new directory and waits until the mount is ready. @param name of the directory */
export async function startMount(
  play: Playground,
  name: string,
  args: readonly string[] = [],
  options: Options = {},
): Promise<Running> {
  const path = play.path(name);
  mkdirSync(path, { recursive: true });
  const child = play.start(['mount', path, ...args], options);
  return whenMounted(child, path);
}

export async function whenMounted(child: ChildProcess, path: string): Promise<Running> {
  let stderr = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    stderr += bytes.toString();
  });
  const ended = outcome(child);
  const until = performance.now() + MOUNT_TIMEOUT;
  while (!isMounted(path)) {
    if (child.exitCode !== null || performance.now() > until)
      throw new Error(`mounting failed or took too long: ${stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    path,
    child,
    ended,
    stderr: () => stderr,
    stop() {
      child.kill('SIGINT');
      return ended;
    },
  };
}
