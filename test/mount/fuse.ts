import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { systemReason } from '../../src/errors/errors.js';
import { isMounted } from '../../src/mount/protocol/mounting.js';
import type { Options, Outcome, Playground } from '../cli/varve.js';
import { outcome } from '../cli/varve.js';

/** Milliseconds until it is mounted, on a busy machine. */
const MOUNTED = 30_000;
export const NOBODY = 65_534;

/** Why tests that mount are left out; false where they can run. In CI nothing is left out. */
export const NO_FUSE = reasonAgainst();
/** The same of tests that mount as a user who is not root. */
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

/** A mount that a process of its own serves. */
export interface Running {
  readonly path: string;
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
  /** What it has said on standard error so far. */
  said(): string;
  /** Ends it as Ctrl-C does. */
  stop(): Promise<Outcome>;
}

/** Mounts, and waits until it is there. @param name of the directory, which is made */
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
  let said = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  const ended = outcome(child);
  const until = performance.now() + MOUNTED;
  while (!isMounted(path)) {
    if (child.exitCode !== null || performance.now() > until) throw new Error(`it was not mounted: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    path,
    child,
    ended,
    said: () => said,
    stop() {
      child.kill('SIGINT');
      return ended;
    },
  };
}
