import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { killRounds, summary } from './rounds.js';

/** Kills backups at random moments: `node build/test/kill/main.js --rounds 200 --mebibytes 320 --seed 1`. */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    mebibytes: { type: 'string', default: '320' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'varve-kill-'));
console.log(`seed ${values.seed}`);
try {
  const figures = await killRounds({
    folder,
    rounds: Number(values.rounds),
    mebibytes: Number(values.mebibytes),
    seed: Number(values.seed),
    renewAfter: 12,
    log: (line) => console.log(line),
  });
  console.log(summary(figures));
  rmSync(folder, { recursive: true });
} catch (cause) {
  console.error(`failed; ${folder} is left to be looked at`);
  throw cause;
}
