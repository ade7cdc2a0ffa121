import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { STORE_KINDS, type StoreKind } from '../servers/store-kinds.js';
import { type Counts, reasons, summary, table } from './report.js';

/** Runs the tests of repositories over each kind of store: `npm run test:stores -- --stores s3,sftp`. */
const TESTS = fileURLToPath(new URL('..', import.meta.url));
const DIRECTORIES = ['backup', 'restore', 'prune', 'check', 'repair', 'retention', 'copy', 'browse', 'attacks', 'cli'];
/** What opens repositories: files without it have the same tests over every store. */
const OPENS = /\b(Sandbox|Prunable|DamageableRepository|Playground|StubbornStore|openTestStore)\b/;
/** Starts the command line. */
const PROCESSES = /\bPlayground\b/;
/** They choose their store themselves. */
const OWN_STORE = ['rest-stores', 'serve', 'sftp', 'store-options', 'store-test'].map((name) => `${name}.test.js`);

const { values } = parseArgs({ options: { stores: { type: 'string', default: Object.keys(STORE_KINDS).join() } } });
const directory = mkdtempSync(join(tmpdir(), 'varve-stores-'));
const results: (readonly [string, Counts | string])[] = [];
for (const name of values.stores.split(',')) {
  const kind = await STORE_KINDS[name]?.();
  if (kind === undefined) throw new Error(`${name} is none of ${Object.keys(STORE_KINDS).join(', ')}`);
  console.log(`== ${name}${kind.missing ? `: left out: ${kind.missing}` : ''}`);
  results.push([name, kind.missing || (await runOver(name, kind))]);
}
rmSync(directory, { recursive: true });
console.log(table(results));
process.exitCode = results.some(([, counts]) => typeof counts !== 'string' && counts.fail > 0) ? 1 : 0;

/** All tests over one server. */
async function runOver(name: string, kind: StoreKind): Promise<Counts> {
  const { stop, ...way } = await kind.start();
  const log = join(directory, `${name}.tap`);
  const env = { ...process.env, VARVE_TEST_STORE: name, VARVE_TEST_WAY: JSON.stringify(way) };
  const start = Date.now();
  try {
    await nodeTest(testFiles(name), log, env);
  } finally {
    await stop();
  }
  const lines = readFileSync(log, 'utf8').split('\n');
  for (const reason of reasons(lines)) console.log(reason);
  return { ...summary(lines), minutes: (Date.now() - start) / 60_000 };
}

function testFiles(name: string): string[] {
  const files = DIRECTORIES.flatMap((each) => readdirSync(join(TESTS, each)).map((file) => join(each, file)));
  return files
    .filter((file) => file.endsWith('.test.js') && !OWN_STORE.some((own) => file === join('cli', own)))
    .map((file) => join(TESTS, file))
    .filter((path) => {
      const text = readFileSync(path, 'utf8');
      return OPENS.test(text) && !(name === 'memory' && PROCESSES.test(text));
    });
}

async function nodeTest(files: readonly string[], log: string, env: NodeJS.ProcessEnv): Promise<void> {
  const reporters = ['--test-reporter=spec', '--test-reporter-destination=stdout'];
  reporters.push('--test-reporter=tap', `--test-reporter-destination=${log}`);
  const args = ['--test', '--test-concurrency=2', '--test-timeout=600000', ...reporters, ...files];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'inherit', 'inherit'] });
  await new Promise((resolve) => child.once('close', resolve));
}
