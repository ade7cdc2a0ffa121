import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backup } from '../../src/backup/backup.js';
import type { Unlock } from '../../src/crypto/slot-file.js';
import { NO_FILTER } from '../../src/filesystem/filter.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { addKeySlot, removeKeySlot, rotateKeySlots } from '../../src/repository/keys/key-slots.js';
import { initRepository, openRepository } from '../../src/repository/opening/open.js';
import type { Repository } from '../../src/repository/repository.js';
import { listSnapshots } from '../../src/repository/snapshots/snapshots.js';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { type Listed, listWithXattrs } from './listing.js';
import { readerOutput } from './python.js';
import { change, noise, writeFirst } from './sample.js';

/**
 * Writes fixtures/vectors/repository/ and repository.json anew: `node build/test/spec-reader/write-fixture.js`. Keys, salts and times are
 * others each time.
 */

const LOG_N = 10;
const PASSWORD = 'varve';
const SOURCE = '/tmp/varve-fixture';
const VECTORS = fileURLToPath(new URL('../../../fixtures/vectors', import.meta.url));
const REPOSITORY = join(VECTORS, 'repository');

const keyFile = noise('key file', 32);
const cacheDirectory = mkdtempSync(join(tmpdir(), 'varve-fixture-cache-'));
const store = new LocalStore(REPOSITORY);

async function open(unlock: Unlock, clock = Date.now): Promise<Repository> {
  return openRepository(store, { unlock, cacheDirectory, clock });
}

async function makeSnapshot(repository: Repository, host: string, tag: string): Promise<string> {
  const { snapshots } = await listSnapshots(repository);
  const { id, errors } = await backup(await loadIndex(repository), {
    sources: [Buffer.from(SOURCE)],
    directory: Buffer.from('/'),
    host,
    user: 'anna',
    uid: 1000,
    gid: 1000,
    tags: [tag],
    filter: NO_FILTER,
    parent: snapshots.at(-1),
    program: 'varve 0.1.0',
    compression: 'auto',
    threads: 2,
  });
  if (id === undefined || errors > 0) throw new Error('no snapshot was made');
  return id;
}

const listSource = () => listWithXattrs(SOURCE, SOURCE.slice(1));

for (const directory of [REPOSITORY, SOURCE]) rmSync(directory, { recursive: true, force: true });
mkdirSync(VECTORS, { recursive: true });
writeFirst(SOURCE);

const first = await initRepository(store, {
  unlock: { password: PASSWORD },
  user: 'anna',
  host: 'desk',
  logN: LOG_N,
  cacheDirectory,
});
await addKeySlot(first, { role: 'manage', unlock: { keyFile }, user: 'anna', host: 'nas' });
const append = { password: 'varve-append' };
await addKeySlot(first, { role: 'append', unlock: append, user: 'anna', host: 'laptop', logN: LOG_N });
const stolen = { password: 'varve-stolen' };
const thief = await addKeySlot(first, { role: 'append', unlock: stolen, user: 'anna', host: 'stolen', logN: LOG_N });

const snapshots: { name: string; tag: string; epoch: number; files: Listed[] }[] = [];
const firstFiles = listSource();
snapshots.push({ name: await makeSnapshot(first, 'desk', 'first'), tag: 'first', epoch: 1, files: firstFiles });

// What a stolen key writes after the day that its removal states is to be ignored.
const since = Math.ceil(Date.now() / 1000) + 3600;
writeFileSync(join(SOURCE, 'planted'), 'what the thief planted\n');
const ignored = await makeSnapshot(await open(stolen, () => (since + 60) * 1000), 'stolen', 'ignored');
await removeKeySlot(first, thief.id, { ignoreSince: since });
await rotateKeySlots(await open({ password: PASSWORD }));

unlinkSync(join(SOURCE, 'planted'));
change(SOURCE);
const second = await open({ password: PASSWORD });
const secondFiles = listSource();
snapshots.push({ name: await makeSnapshot(second, 'desk', 'second'), tag: 'second', epoch: 2, files: secondFiles });
const third = await makeSnapshot(await open(append), 'laptop', 'append');
snapshots.push({ name: third, tag: 'append', epoch: 2, files: secondFiles });

const trace: unknown = JSON.parse(await readerOutput(PASSWORD, REPOSITORY, 'trace'));
const vectors = {
  comment:
    'SPEC.md section 14. `snapshots` is what was on disk when the program made them; `steps` is what test/spec-reader/varve_reader.py, which was written from SPEC.md alone, found on the way from the password to the first bytes of a file. All bytes in hexadecimal.',
  password: PASSWORD,
  keys: {
    full: { password: PASSWORD },
    manage: { keyFile: keyFile.toString('hex') },
    append,
    removed: { ...stolen, slot: thief.id, since },
  },
  ignoredSnapshot: ignored,
  snapshots,
  steps: trace,
};
writeFileSync(join(VECTORS, 'repository.json'), `${JSON.stringify(vectors, null, 2)}\n`);
for (const directory of [cacheDirectory, SOURCE]) rmSync(directory, { recursive: true, force: true });
execFileSync('find', [REPOSITORY, '-type', 'd', '-empty', '-delete']);
