import { join } from 'node:path';
import { test } from 'node:test';
import { scratchDirectory } from '../backup/sandbox.js';
import { WHOLE } from '../whole.js';
import { killRounds, summary } from './rounds.js';

const scratch = scratchDirectory();

test('backup harms no snapshot when it is killed at any moment, and the next one uses its data', {
  timeout: 300_000,
}, async (t) => {
  const figures = await killRounds({
    directory: join(scratch, 'kill'),
    rounds: WHOLE ? 5 : 3,
    mebibytes: WHOLE ? 60 : 30,
    seed: 20_261_121,
    renewAfter: WHOLE ? 3 : 2,
    log: (line) => t.diagnostic(line),
  });
  t.diagnostic(summary(figures));
});
