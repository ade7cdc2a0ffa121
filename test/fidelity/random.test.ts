import { join } from 'node:path';
import { test } from 'node:test';
import { scratchDirectory } from '../backup/sandbox.js';
import { WHOLE } from '../whole.js';
import { missingPrograms } from './commands.js';
import { beside, runAsNobody } from './nobody.js';
import { fidelityRounds } from './rounds.js';

const USUAL_RUNS = WHOLE ? 6 : 2;
/** Of `npm run test:fidelity`. */
const asked = process.env['VARVE_FIDELITY_RUNS'];
const runs = Number(asked ?? USUAL_RUNS);
const isLong = asked !== undefined;
const timeout = 60_000 + runs * 20_000;

const isRoot = process.getuid?.() === 0;
const scratch = scratchDirectory();
const missing = missingPrograms() ?? false;

test(`random trees return with all that the system tells of them, ${isRoot ? 'as root' : 'as this user'}`, {
  skip: missing,
  timeout,
}, async () => {
  await fidelityRounds(join(scratch, 'own'), runs, isLong);
});

test('restore returns random trees of a normal user with all metadata', {
  skip: missing || (!isRoot && 'runs as a normal user anyway'),
  timeout,
}, (t) => {
  runAsNobody(t, scratch, [beside('as-user.js'), 'FOLDER', String(runs), String(isLong)]);
});
