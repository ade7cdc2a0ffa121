import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { WHOLE } from './mixed-tree.js';
import { restoreKillRounds, restoreSummary } from './restore-rounds.js';
import { killRounds, summary } from './rounds.js';

/** Kills backups or restores at random moments: `node build/test/kill/main.js backup --rounds 200 --mebibytes 320 --seed 1`. */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '200' },
    mebibytes: { type: 'string', default: '320' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const directory = mkdtempSync(join(tmpdir(), 'varve-kill-'));
const options = {
  directory,
  rounds: Number(values.rounds),
  seed: Number(values.seed),
  log: (line: string) => console.log(line),
};

async function run(): Promise<string> {
  if (positionals[0] === 'restore') return restoreSummary(await restoreKillRounds({ ...options, size: WHOLE }));
  return summary(await killRounds({ ...options, mebibytes: Number(values.mebibytes), renewAfter: 12 }));
}

console.log(`seed ${values.seed}`);
try {
  console.log(await run());
  rmSync(directory, { recursive: true });
} catch (cause) {
  console.error(`failed; ${directory} is left to be looked at`);
  throw cause;
}
