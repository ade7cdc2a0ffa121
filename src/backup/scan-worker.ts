import { Buffer } from 'node:buffer';
import { BackupFilter } from '../filesystem/filter.js';
import { serveTasks } from '../workers/serve.js';
import { type FoundDirectory, Lister } from './lister.js';
import type { PendingDirectory } from './messages.js';
import { type ScanInit, ScanTotal } from './scan.js';

/** The backup itself reports errors and exclusions. */
const SILENT = { reportError: () => undefined, reportExcluded: () => undefined };

serveTasks<ScanInit, PendingDirectory, boolean>((init) => {
  const lister = new Lister(new BackupFilter(init.filter), SILENT, init.nestedSources);
  return (root) => ({ reply: scan(root, lister, init) });
});

/** Depth first, with one open directory at a time. @returns false when it was stopped */
function scan(root: PendingDirectory, lister: Lister, { totals, stop }: ScanInit): boolean {
  const pending: FoundDirectory[] = [{ ...root, path: Buffer.from(root.path) }];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    const { opened, names, only } = lister.open(directory);
    const listed = only === undefined ? directory : { ...directory, only };
    try {
      for (let number = 0; number < names.length; number++) {
        if (Atomics.load(stop, 0) !== 0) return false;
        const name = names.at(number);
        const stat = lister.stat(opened, name, listed);
        if (stat?.type === 'file') add(totals, stat.size);
        else if (stat?.type === 'directory') pending.push(lister.subdirectory(listed, opened.pathOf(name), name, stat));
      }
    } finally {
      opened.close();
    }
  }
  return true;
}

/** Without a lock: only this thread writes. */
function add(totals: Float64Array, bytes: number): void {
  totals[ScanTotal.files] = (totals[ScanTotal.files] as number) + 1;
  totals[ScanTotal.bytes] = (totals[ScanTotal.bytes] as number) + bytes;
}
