import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** Damages repositories in more ways than the tests do by themselves: `npm run test:damage -- --cases 1000 --seed 0`. */
const { values } = parseArgs({
  options: { cases: { type: 'string', default: '1000' }, seed: { type: 'string', default: '0' } },
});
const tests = ['damages', 'healing'].map((name) => fileURLToPath(new URL(`./${name}.test.js`, import.meta.url)));
const env = { ...process.env, VARVE_DAMAGE_CASES: values.cases, VARVE_DAMAGE_SEED: values.seed };
const { status } = spawnSync(process.execPath, ['--test', '--test-reporter=dot', ...tests], { env, stdio: 'inherit' });
process.exitCode = status ?? 1;
