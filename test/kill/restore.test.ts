import { join } from 'node:path';
import { test } from 'node:test';
import { scratchDirectory } from '../backup/sandbox.js';
import { missingPrograms } from '../fidelity/commands.js';
import { WHOLE } from '../whole.js';
import { FEW, LEAST } from './mixed-tree.js';
import { restoreKillRounds, restoreSummary } from './restore-rounds.js';

const scratch = scratchDirectory();

test('a restore that is killed at any moment leaves no half-written file, and the next one goes on from there', {
  skip: missingPrograms() ?? false,
  timeout: 300_000,
}, async (t) => {
  const figures = await restoreKillRounds({
    directory: join(scratch, 'kill'),
    rounds: WHOLE ? 5 : 2,
    size: WHOLE ? FEW : LEAST,
    seed: 20_261_121,
    log: (line) => t.diagnostic(line),
  });
  t.diagnostic(restoreSummary(figures));
});
