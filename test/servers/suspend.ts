import { readdirSync, readFileSync } from 'node:fs';

/**
 * Stops a process until SIGCONT, and returns only when each of its threads stands still: after `kill` alone a thread on
 * another core still answers a request now and then. Does nothing when the process has ended.
 */
export function suspend(pid: number | undefined): void {
  if (pid === undefined) throw new Error('the process has not started');
  try {
    process.kill(pid, 'SIGSTOP');
    while (readdirSync(`/proc/${pid}/task`).some((thread) => isAtWork(`/proc/${pid}/task/${thread}`)));
  } catch (error) {
    if (!hasEnded(error)) throw error;
  }
}

/** Whether a thread is neither stopped, traced, a zombie nor dead: see proc(5). */
function isAtWork(thread: string): boolean {
  try {
    // The program's name may hold spaces and brackets: the state follows the last one.
    const state = /.*\) (\S)/s.exec(readFileSync(`${thread}/stat`, 'latin1'))?.[1];
    return state === undefined || !'TtZX'.includes(state);
  } catch (error) {
    if (hasEnded(error)) return false;
    throw error;
  }
}

function hasEnded(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ESRCH' || code === 'ENOENT';
}
