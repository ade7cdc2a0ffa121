import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { scratchFolder } from '../backup/sandbox.js';
import { missingPrograms } from './commands.js';
import { fidelityRounds } from './rounds.js';

const NOBODY = 65_534;
const USUAL_RUNS = 8;
/** Of `npm run test:fidelity`. */
const asked = process.env['VARVE_FIDELITY_RUNS'];
const runs = Number(asked ?? USUAL_RUNS);
const isLong = asked !== undefined;
const timeout = 60_000 + runs * 20_000;

const isRoot = process.getuid?.() === 0;
const scratch = scratchFolder();
const missing = missingPrograms() ?? false;

test(`random trees return with all that the system tells of them, ${isRoot ? 'as root' : 'as this user'}`, {
  skip: missing,
  timeout,
}, async () => {
  await fidelityRounds(join(scratch, 'own'), runs, isLong);
});

test('random trees of somebody who is not root return with all that the system tells of them', {
  skip: missing || (!isRoot && 'runs as a normal user anyway'),
  timeout,
}, (t) => {
  const folder = join(scratch, 'of-nobody');
  mkdirSync(folder);
  chmodSync(scratch, 0o755);
  chownSync(folder, NOBODY, NOBODY);
  const script = new URL('./as-user.js', import.meta.url).pathname;
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, folder, String(runs), String(isLong)], {
    uid: NOBODY,
    gid: NOBODY,
    cwd: '/',
    env: { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder },
    encoding: 'utf8',
  });
  if (/EACCES.*(node_modules|build)|Cannot find module/.test(stderr))
    return t.skip('this checkout is not readable for others');
  assert.equal(status, 0, stdout + stderr);
});
