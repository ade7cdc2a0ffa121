import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { backup } from '../../src/backup/backup.js';
import { NO_FILTER } from '../../src/filesystem/filter.js';
import { loadIndex } from '../../src/repository/index/index-store.js';
import { HeldLease } from '../../src/repository/leases/leases.js';
import { initRepository } from '../../src/repository/opening/open.js';
import { LocalStore } from '../../src/storage/local/local-store.js';
import { MAIN } from '../cli/main-program.js';
import { shareOf } from '../hostile/share.js';
import { WHOLE } from '../whole.js';
import { type Abilities, abilitiesOf, type Listed, listWithXattrs, within } from './listing.js';
import { readerOutput, runReader, whyNoReader } from './python.js';
import { writeRandom } from './sample.js';

interface Vectors {
  readonly password: string;
  readonly keys: {
    readonly manage: { readonly keyFile: string };
    readonly append: { readonly password: string };
    readonly removed: { readonly password: string };
  };
  readonly ignoredSnapshot: string;
  readonly snapshots: readonly { readonly name: string; readonly epoch: number; readonly files: readonly Listed[] }[];
  readonly steps: unknown;
}

const FIXTURES = fileURLToPath(new URL('../../../fixtures/vectors', import.meta.url));
const skip = whyNoReader() ?? false;

/** What is in a directory besides the directories above the one that was backed up, whose state is nobody's business. */
function restored(target: string): Listed[] {
  return listWithXattrs(target).filter(({ path }) => path !== 'tmp');
}

describe('a reader written from SPEC.md alone', { skip }, () => {
  const { password, ...vectors } = JSON.parse(readFileSync(join(FIXTURES, 'repository.json'), 'utf8')) as Vectors;
  let scratch = '';
  let fixture = '';
  let copies = 0;
  let able: Abilities = { holes: false, xattrs: false, acls: false };
  const fresh = () => join(scratch, `${copies++}`);
  before(() => {
    scratch = mkdtempSync(join(tmpdir(), 'varve-spec-'));
    able = abilitiesOf(scratch);
    fixture = fresh();
    cpSync(join(FIXTURES, 'repository'), fixture, { recursive: true });
  });
  after(() => {
    execFileSync('chmod', ['-R', 'u+rwX', scratch]);
    rmSync(scratch, { recursive: true, force: true });
  });

  it('finds every byte of the fixture in order', async () => {
    await readerOutput(password, fixture, 'check');
  });

  it('follows repository.json from the password to the bytes of a file', async () => {
    assert.deepEqual(JSON.parse(await readerOutput(password, fixture, 'trace')), vectors.steps);
  });

  it('lists the snapshots, oldest first, without the removed key’s', async () => {
    const lines = (await readerOutput(password, fixture, 'snapshots')).trim().split('\n');
    const names = lines.map((line) => line.split(' ')[0]);
    assert.deepEqual(
      names,
      vectors.snapshots.map(({ name }) => name),
    );
    assert.ok(existsSync(join(fixture, 'snapshots', vectors.ignoredSnapshot)));
    const { code, err } = await runReader(password, fixture, 'restore', vectors.ignoredSnapshot, fresh());
    assert.equal(code, 1);
    assert.match(err, /revoked/);
  });

  it('restores the original files, as varve does', async (test) => {
    if (!able.holes || !able.xattrs || !able.acls)
      test.diagnostic(`NOT TESTED here: ${JSON.stringify(able)} is what the file system keeps`);
    const passwordFile = join(scratch, 'password');
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    for (const { name, files } of vectors.snapshots) {
      const [ours, theirs] = [fresh(), fresh()];
      await readerOutput(password, fixture, 'restore', name, ours);
      assert.deepEqual(restored(ours), within(able, files));
      const global = ['--repo', fixture, '--password-file', passwordFile, '--no-cache', '--quiet'];
      execFileSync(process.execPath, [MAIN, ...global, 'restore', name, '--target', theirs]);
      assert.deepEqual(restored(theirs), within(able, files));
    }
  });

  it('opens the other keys with the rights of their roles', async () => {
    const keyFile = join(scratch, 'key file');
    writeFileSync(keyFile, Buffer.from(vectors.keys.manage.keyFile, 'hex'));
    await readerOutput('', '--key-file', keyFile, fixture, 'check');
    const managed = await runReader('', '--key-file', keyFile, fixture, 'restore', 'latest', fresh());
    assert.match(managed.err, /role/);
    await readerOutput(vectors.keys.append.password, fixture, 'check');
    const appended = await runReader(vectors.keys.append.password, fixture, 'snapshots');
    assert.match(appended.err, /role/);
    assert.match((await runReader(vectors.keys.removed.password, fixture, 'check')).err, /opens no key slot/);
    assert.match((await runReader(password, '--seen-epoch', '3', fixture, 'check')).err, /older epoch/);
  });

  for (const parity of [0, 7])
    it(`restores a new repository of random content and many chunks, with ${parity} % parity`, async () => {
      const [source, directory, target] = [join(scratch, `source ${parity}`), fresh(), fresh()];
      writeRandom(source, randomBytes(8).toString('hex'), able);
      const secret = `${randomBytes(8).toString('hex')} A\u030a`;
      const repository = await initRepository(new LocalStore(directory), {
        unlock: { password: secret },
        user: 'user',
        host: 'host',
        logN: 10,
        data: { min: 64, average: 256, max: 4096 },
        parity,
      });
      const { errors } = await backup(await loadIndex(repository), {
        sources: [Buffer.from(source)],
        directory: Buffer.from('/'),
        host: 'host',
        user: 'user',
        uid: 0,
        gid: 0,
        tags: [],
        filter: NO_FILTER,
        parent: undefined,
        program: 'test',
        compression: 'auto',
        threads: 2,
      });
      assert.equal(errors, 0);
      const lease = await HeldLease.acquire(repository, 'test');
      await readerOutput(secret.normalize('NFC'), directory, 'check');
      await lease.release();
      await readerOutput(secret, directory, 'restore', 'latest', target);
      assert.deepEqual(listWithXattrs(join(target, source)), listWithXattrs(source));
    });

  it('refuses hostile repositories as a reader must', async () => {
    const hostile = fileURLToPath(new URL('../../../fixtures/hostile', import.meta.url));
    const { password: secret, cases } = JSON.parse(readFileSync(join(hostile, 'cases.json'), 'utf8')) as {
      password: string;
      cases: readonly { name: string; fails: readonly string[] }[];
    };
    for (const { name, fails } of shareOf(cases)) {
      // Nobody has as much room as this file would take where holes are not kept.
      if (name === 'holes-of-petabytes') continue;
      const { code } = await runReader(secret, join(hostile, name), 'restore', 'latest', fresh());
      if (fails.includes('restore')) assert.equal(code, 1, name);
    }
  });

  describe('refuses altered objects', () => {
    const kinds = ['config', 'keys', 'index', 'snapshots', 'data'];
    const objects = (kind: string): string[] => {
      const top = join(fixture, kind);
      if (kind === 'config') return [top];
      const paths = readdirSync(top, { recursive: true, encoding: 'utf8' }).map((name) => join(top, name));
      return paths.filter((path) => statSync(path).isFile());
    };
    const any = (kind: string): string => {
      const all = objects(kind);
      return all[randomInt(all.length)] ?? '';
    };
    /** A copy in which one bit of the object is another. */
    const altered = (path: string, position: number): { copy: string; object: string } => {
      const copy = fresh();
      cpSync(fixture, copy, { recursive: true });
      const object = join(copy, path.slice(fixture.length));
      const bytes = readFileSync(object);
      bytes.writeUInt8(bytes.readUInt8(position) ^ (1 << randomInt(8)), position);
      writeFileSync(object, bytes);
      return { copy, object };
    };
    const latest = () => within(able, vectors.snapshots.at(-1)?.files ?? []);

    /** Whatever is there must be as it should be: a restore that stops half-way has made no wrong file. */
    const noneIsWrong = (target: string) => {
      if (!existsSync(target)) return;
      const right = new Map(latest().map(({ path, sha256 }) => [path, sha256]));
      for (const { path, sha256 } of restored(target)) if (sha256 !== undefined) assert.equal(sha256, right.get(path));
    };

    for (const kind of kinds) {
      it(`${kind}: a bit flipped`, async (test) => {
        for (let round = 0; round < (WHOLE ? 3 : 1); round++) {
          const path = any(kind);
          const position = randomInt(statSync(path).size);
          test.diagnostic(`${basename(path).slice(0, 8)}, byte ${position}`);
          const { copy } = altered(path, position);
          const target = fresh();
          const [check, restore] = await Promise.all([
            runReader(password, copy, 'check'),
            runReader(password, copy, 'restore', 'latest', target),
          ]);
          assert.equal(check.code, 1, check.err);
          if (restore.code === 0) {
            // Only in a pack are there bytes that a restore does not read.
            assert.equal(kind, 'data');
            assert.deepEqual(restored(target), latest());
          } else {
            assert.equal(restore.code, 1, restore.err);
            noneIsWrong(target);
          }
        }
      });
    }

    for (const kind of ['keys', 'index', 'snapshots']) {
      it(`${kind}: a bit flipped, and the object renamed to match`, async (test) => {
        for (let round = 0; round < (WHOLE ? 4 : 2); round++) {
          const path = any(kind);
          const position = randomInt(statSync(path).size);
          test.diagnostic(`${basename(path).slice(0, 8)}, byte ${position}`);
          const { copy, object } = altered(path, position);
          const name = createHash('sha256').update(readFileSync(object)).digest('hex');
          renameSync(object, join(dirname(object), name));
          const target = fresh();
          const { code, err } = await runReader(password, copy, 'restore', 'latest', target);
          if (code === 0) {
            // Somebody else's key slot.
            assert.equal(kind, 'keys');
            assert.deepEqual(restored(target), latest());
          } else {
            assert.equal(code, 1, err);
            noneIsWrong(target);
          }
        }
      });
    }

    it('a data pack with altered frames under its name', async () => {
      const packs = objects('data').filter((path) => statSync(path).size > 100_000);
      const largest = packs.sort((a, b) => statSync(b).size - statSync(a).size)[0] ?? '';
      for (const position of [0, 1000, 60_000]) {
        const { copy } = altered(largest, position);
        const target = fresh();
        const { code, err } = await runReader(password, copy, 'restore', 'latest', target);
        assert.equal(code, 1);
        assert.match(err, /frame: the tag is wrong/);
        noneIsWrong(target);
      }
    });

    it('a missing object, and an object under another’s name', async () => {
      for (const kind of ['data', 'index', 'keys']) {
        const copy = fresh();
        cpSync(fixture, copy, { recursive: true });
        for (const path of objects(kind)) rmSync(join(copy, path.slice(fixture.length)));
        assert.equal((await runReader(password, copy, 'check')).code, 1);
      }
      const copy = fresh();
      cpSync(fixture, copy, { recursive: true });
      const [a = '', b = ''] = objects('snapshots').map((path) => join(copy, path.slice(fixture.length)));
      cpSync(a, b);
      const { code, err } = await runReader(password, copy, 'snapshots');
      assert.equal(code, 1);
      assert.match(err, /the name is not the SHA-256/);
    });
  });
});
