import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeSnapshot, type Snapshot } from '../../src/format/snapshot.js';
import { initRepository, openRepository } from '../../src/repository/opening/open.js';
import { putSigned, type Repository } from '../../src/repository/repository.js';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { timeFromMillis } from '../../src/time/time.js';
import { Forge } from '../restore/crafted.js';
import { ALL, type HostileCase, rootOf } from './case.js';
import { CASES } from './cases.js';

/**
 * Writes fixtures/hostile/ anew: `npm run fixtures:hostile`. A directory for each case is a repository; config and key are the same in all.
 * Keys, salts and times are others each time.
 */

const LOG_N = 10;
const PASSWORD = 'varve';
const FIXTURES = fileURLToPath(new URL('../../../fixtures/hostile', import.meta.url));

async function write(each: HostileCase, repository: Repository): Promise<void> {
  const forge = new Forge(repository);
  const root = each.root?.(forge) ?? rootOf(forge, (each.directory as NonNullable<HostileCase['directory']>)(forge));
  await forge.finish();
  if (each.index !== undefined) await putSigned(repository, 'index', each.index);
  const snapshot: Snapshot = {
    time: timeFromMillis(repository.clock()),
    host: 'desk',
    user: 'anna',
    uid: 1000,
    gid: 1000,
    paths: [Buffer.from('/')],
    tags: [],
    excludes: [],
    parent: undefined,
    original: undefined,
    root,
    program: 'hostile',
    summary: undefined,
  };
  await putSigned(repository, 'snapshot', each.snapshot?.(snapshot) ?? encodeSnapshot(snapshot));
}

/** What is to be read in cases.json; the same for all that is not said. */
function described({ name, what, message, fails, mayFail, endless, restored = [], root }: HostileCase): object {
  const certain = root === undefined && restored !== null && mayFail?.includes('restore') !== true;
  return {
    name,
    what,
    ...(message !== undefined && { message }),
    fails: fails ?? (message === undefined ? [] : ALL),
    ...(mayFail && { mayFail }),
    ...(endless && { endless }),
    ...(certain && { restored }),
  };
}

const scratch = mkdtempSync(join(tmpdir(), 'varve-hostile-'));
const cacheDirectory = join(scratch, 'cache');
const base = join(scratch, 'base');
const unlock = { password: PASSWORD };
await initRepository(new LocalStore(base), { unlock, user: 'anna', host: 'desk', logN: LOG_N, cacheDirectory });
rmSync(FIXTURES, { recursive: true, force: true });
mkdirSync(FIXTURES, { recursive: true });
for (const each of CASES) {
  const directory = join(FIXTURES, each.name);
  cpSync(base, directory, { recursive: true });
  await write(each, await openRepository(new LocalStore(directory), { unlock, cacheDirectory }));
}
const cases = { password: PASSWORD, cases: CASES.map(described) };
writeFileSync(join(FIXTURES, 'cases.json'), `${JSON.stringify(cases, null, 2)}\n`);
execFileSync('find', [FIXTURES, '-type', 'd', '-empty', '-delete']);
rmSync(scratch, { recursive: true, force: true });
