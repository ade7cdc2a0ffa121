import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { NO_FUSE } from '../mount/fuse.js';
import { Campaign } from './campaign.js';

/** Fails calls of libc under every command: `node build/test/faults/main.js --runs 1000 --seed 1 --only "^restore"`. */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string', default: '^' },
  },
});
const directory = mkdtempSync(join(tmpdir(), 'varve-faults-'));
if (NO_FUSE) console.log(NO_FUSE);
console.log(`seed ${values.seed}`);
try {
  const campaign = await Campaign.create({
    directory,
    runs: Number(values.runs),
    seed: Number(values.seed),
    only: new RegExp(values.only),
    log: (line) => console.log(line),
  });
  const { byCommand, failures } = await campaign.run();
  for (const [name, { runs, faults, codes }] of [...byCommand].sort(([a], [b]) => a.localeCompare(b))) {
    const outcomes = [...codes].sort(([a = -1], [b = -1]) => a - b).map(([code, count]) => `${count} × ${code}`);
    console.log(`${name}: ${runs} runs, ${faults} calls failed, exit codes ${outcomes.join(', ')}`);
  }
  console.log(`${failures.length} runs were not as they should be`);
  process.exitCode = failures.length === 0 ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true });
}
