import { readFileSync } from 'node:fs';

/** Bytes of memory that a running process has had at most. */
export function peakMemory(pid: number | undefined): number {
  return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
