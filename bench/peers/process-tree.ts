import { readdirSync, readFileSync } from 'node:fs';

function children(pid: number): number[] {
  const found: number[] = [];
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1');
    for (const word of text.split(' ')) if (word !== '') found.push(Number(word));
  }
  return found;
}

function residentKib(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return found === null ? 0 : Number(found[1]);
}

/** Resident bytes of all descendants of a process at this moment. A process that ends during the count counts 0. */
export function descendantBytes(pid: number): number {
  try {
    let total = 0;
    for (const child of children(pid)) total += 1024 * residentOr0(child) + descendantBytes(child);
    return total;
  } catch {
    return 0;
  }
}

function residentOr0(pid: number): number {
  try {
    return residentKib(pid);
  } catch {
    return 0;
  }
}
