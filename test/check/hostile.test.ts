import assert from 'node:assert/strict';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { scratchDirectory } from '../backup/sandbox.js';
import { runInProcess } from '../cli/in-process.js';
import { shareOf } from '../hostile/share.js';

const FIXTURES = fileURLToPath(new URL('../../../fixtures/hostile', import.meta.url));
const scratch = scratchDirectory();

const { password, cases } = JSON.parse(readFileSync(join(FIXTURES, 'cases.json'), 'utf8')) as {
  password: string;
  cases: readonly { readonly name: string; readonly fails: readonly string[] }[];
};

for (const { name, fails } of shareOf(cases)) {
  test(`${name}: check ends with a message`, { timeout: 60_000 }, async (t) => {
    const repository = join(scratch, name);
    cpSync(join(FIXTURES, name), repository, { recursive: true });
    const environment = { VARVE_REPOSITORY: repository, VARVE_PASSWORD: password, HOME: scratch };
    const { code, err, out } = await runInProcess(['check', '--read-data', '--no-cache'], environment);
    t.diagnostic(`${fails.join(' ')}: ${code} ${err}`);
    assert.equal(code === 0, err === '');
    assert.doesNotMatch(err + out, /^ +at .*:\d+:\d+\)?$|node:internal|internal|undefined/m);
    // What a restore stumbles over is found, unless it is only this system that cannot have it: then a dump can.
    if (fails.includes('restore') && fails.includes('dump')) assert.equal(code, 1);
  });
}
