import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FILE_SYSTEMS, mountDisk } from './disks.js';
import { valueRounds } from './rounds.js';

/** Random stats, names, attributes and times, backed up and restored: `npm run test:values -- --cases 10000 --seed 1`. */
const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const [cases, seed] = [Number(values.cases), Number(values.seed)];
const scratch = mkdtempSync(join(tmpdir(), 'varve-values-'));
try {
  console.log(`${cases} cases, seed ${seed}`);
  for (const type of FILE_SYSTEMS) {
    const disk = mountDisk(scratch, type);
    if (typeof disk === 'string') {
      console.log(`${type}: SKIPPED: ${disk}`);
      continue;
    }
    const started = performance.now();
    try {
      const sums = await valueRounds(disk.path, Math.ceil(cases / FILE_SYSTEMS.length), seed);
      const seconds = Math.round((performance.now() - started) / 1000);
      const figures = `${sums.backups} backups, ${sums.restores} restores, ${sums.clamped} files clamped and reported`;
      console.log(`${type}: ${sums.cases} cases, ${figures}, all else equal; ${seconds} s`);
    } finally {
      disk.unmount();
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
