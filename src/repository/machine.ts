// The computer and the process that leases name, behind an interface that a simulation replaces.
// What a lease means is left to leases/.
import { hostname, userInfo } from 'node:os';
import { systemReason } from '../errors/errors.js';

/** The computer and the process that work on a repository. A simulation has many of them. */
export interface Machine {
  readonly host: string;
  readonly user: string;
  readonly pid: number;
  /** Whether a process with this number runs. */
  isRunning(pid: number): boolean;
  /** Repeats an action without keeping the process alive. @returns a function that ends it */
  every(milliseconds: number, action: () => void): () => void;
}

export const thisMachine: Machine = {
  get host() {
    return hostname();
  },
  get user() {
    return userName();
  },
  pid: process.pid,
  isRunning,
  every(milliseconds, action) {
    const timer = setInterval(action, milliseconds);
    timer.unref();
    return () => clearInterval(timer);
  },
};

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return systemReason(cause) === 'operation not permitted';
  }
}

/** The name of the user who runs this process, or the number of a user without a name. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? '');
  }
}
