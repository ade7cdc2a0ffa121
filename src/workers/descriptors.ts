import { readdirSync, readFileSync } from 'node:fs';

/** File descriptors that a thread opens: four of its own, and those of its modules and files. */
const PER_THREAD = 16;
/** Those that the main thread opens beside the ones that it has. */
const RESERVED = 20;

/** How many threads the limit of open files leaves descriptors for. Node itself raises the soft limit to the hard one. */
export function threadsByDescriptors(): number {
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    if (limit === undefined) return Number.POSITIVE_INFINITY;
    const free = Number(limit) - readdirSync('/proc/self/fd').length;
    return Math.max(1, Math.floor((free - RESERVED) / PER_THREAD));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
