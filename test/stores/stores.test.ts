import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { STORE_KINDS } from '../servers/store-kinds.js';

/** A share of what `npm run test:stores` does, over each kind of store. */
const ROUND = fileURLToPath(new URL('./round.test.js', import.meta.url));

for (const [kind, open] of Object.entries(STORE_KINDS)) {
  const { missing } = await open();
  test(`a whole round over ${kind}`, { skip: missing }, async () => {
    const env = { ...process.env, VARVE_TEST_STORE: kind, VARVE_TEST_WAY: '', NODE_TEST_CONTEXT: undefined };
    await promisify(execFile)(process.execPath, [ROUND], { env }).catch(({ stdout, stderr }) =>
      assert.fail(`${stdout}${stderr}`),
    );
  });
}
