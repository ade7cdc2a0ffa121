import { join } from 'node:path';
import { test } from 'node:test';
import { scratchDirectory } from '../backup/sandbox.js';
import { missingPrograms } from '../fidelity/commands.js';
import { WHOLE } from '../whole.js';
import { FEW, LEAST } from './mixed-tree.js';
import { restoreKillRounds, restoreSummary } from './restore-rounds.js';

const scratch = scratchDirectory();

test('restore leaves no half file when it is killed at any moment, and the next one continues', {
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
