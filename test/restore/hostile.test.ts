import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dumpEntries, writeTar } from '../../src/browse/dump.js';
import { stats } from '../../src/browse/stats.js';
import type { ContentRef } from '../../src/format/content.js';
import { MAX_DEPTH } from '../../src/format/limits.js';
import { encodeXattrs } from '../../src/format/xattrs.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import type { RestoreOptions } from '../../src/restore/options.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { treeImage } from '../backup/tree-image.js';
import { outcome } from '../cli/varve.js';
import { isVarveError } from '../errors/expect-error.js';
import { Forge } from './crafted.js';

const SWAPPER = fileURLToPath(new URL('./swapper.js', import.meta.url));
const scratch = scratchDirectory();
const sandbox = await Sandbox.create(join(scratch, 'box'));
let number = 0;

interface Restored {
  readonly target: string;
  /** What lies beside the target: it must stay as it was. */
  readonly around: string;
  readonly messages: readonly string[];
}

/** Restores what `craft` makes into an empty directory, or one that `prepare` filled. */
async function restoreCrafted(
  craft: (forge: Forge) => ContentRef,
  prepare: (target: string, around: string) => void = () => undefined,
  changes: Partial<RestoreOptions> = {},
): Promise<Restored> {
  const forge = new Forge(await sandbox.open());
  const root = craft(forge);
  await forge.finish();
  const around = join(scratch, `around-${number++}`);
  const target = join(around, 'target');
  mkdirSync(target, { recursive: true });
  writeFileSync(join(around, 'precious'), 'untouched');
  mkdirSync(join(around, 'outside'));
  prepare(target, around);
  const { events } = await sandbox.restore(root, { target, ...changes }).catch((error: Error) => ({
    events: [{ kind: 'error' as const, path: Buffer.from('/'), message: error.message }],
  }));
  const messages = events.flatMap((event) => (event.kind === 'item' ? [] : [`${event.path}: ${event.message}`]));
  assert.equal(readFileSync(join(around, 'precious'), 'utf8'), 'untouched');
  assert.deepEqual(readdirSync(join(around, 'outside')), [], 'nothing is written outside the target');
  return { target, around, messages };
}

const paths = (directory: string): (string | undefined)[] => treeImage(directory).map((line) => line.split(' ')[0]);

test('restore refuses names that lead out of their directory', async () => {
  for (const name of ['..', '.', '', '../precious', '/etc/evil', 'a/b', '../../evil', 'a\0b', '/', '//']) {
    const { target, messages, around } = await restoreCrafted((forge) => {
      const content = forge.content(Buffer.from('evil'));
      return forge.directory({ name: Buffer.from(name), content });
    });
    assert.ok(
      messages.some((message) => /name is not valid/.test(message)),
      `${JSON.stringify(name)}: ${messages}`,
    );
    assert.deepEqual(paths(target), []);
    assert.deepEqual(readdirSync(around).sort(), ['outside', 'precious', 'target']);
  }
  assert.ok(!existsSync('/etc/evil'));
});

test('restore refuses directories with such names', async () => {
  for (const name of ['..', '../outside', '/tmp', 'a/../..']) {
    const { target, messages } = await restoreCrafted((forge) => {
      const inside = forge.directory({ name: Buffer.from('evil'), content: forge.content(Buffer.from('evil')) });
      return forge.directory({ name: Buffer.from(name), type: 'directory', content: inside });
    });
    assert.ok(messages.some((message) => /name is not valid/.test(message)));
    assert.deepEqual(paths(target), []);
  }
});

test('restore refuses a name that appears as a link and as a directory', async () => {
  const { target, messages, around } = await restoreCrafted((forge) => {
    const inside = forge.directory({ name: Buffer.from('evil'), content: forge.content(Buffer.from('evil')) });
    return forge.directory(
      { name: Buffer.from('door'), target: Buffer.from('../outside') },
      { name: Buffer.from('door'), type: 'directory', content: inside },
    );
  });
  assert.ok(messages.some((message) => /names are out of order/.test(message)));
  assert.deepEqual(readdirSync(join(around, 'outside')), []);
  assert.ok(!existsSync(join(target, 'door', 'evil')));
});

test('restore follows no existing link, for directories and files', async () => {
  for (const overwrite of ['always', 'if-changed', 'if-newer'] as const) {
    const { target, around } = await restoreCrafted(
      (forge) => {
        const inside = forge.directory({ name: Buffer.from('file'), content: forge.content(Buffer.from('content')) });
        return forge.directory(
          { name: Buffer.from('file'), content: forge.content(Buffer.from('restored')), mtimeSeconds: 4_000_000_000 },
          { name: Buffer.from('folder'), type: 'directory', content: inside },
        );
      },
      (directory, beside) => {
        symlinkSync(join(beside, 'outside'), join(directory, 'folder'));
        symlinkSync(join(beside, 'precious'), join(directory, 'file'));
      },
      { overwrite },
    );
    assert.ok(lstatSync(join(target, 'folder')).isDirectory(), overwrite);
    assert.equal(readFileSync(join(target, 'file'), 'utf8'), 'restored');
    assert.ok(!lstatSync(join(target, 'file')).isSymbolicLink());
    assert.equal(lstatSync(join(around, 'precious')).mode & 0o777, 0o644);
  }
});

test('restore with --overwrite never reports a link in the way of a directory', async () => {
  const { target, messages } = await restoreCrafted(
    (forge) => {
      const inside = forge.directory({ name: Buffer.from('file'), content: forge.content(Buffer.from('content')) });
      return forge.directory({ name: Buffer.from('folder'), type: 'directory', content: inside });
    },
    (directory, beside) => symlinkSync(join(beside, 'outside'), join(directory, 'folder')),
    { overwrite: 'never' },
  );
  assert.ok(lstatSync(join(target, 'folder')).isSymbolicLink());
  assert.ok(messages.length > 0, 'what could not be restored is told');
});

test('restore follows no link that appears while it runs', async () => {
  const forge = new Forge(await sandbox.open());
  const inside = (text: string): ContentRef =>
    forge.directory({ name: Buffer.from('file'), content: forge.content(Buffer.from(text)) });
  const names = Array.from({ length: 60 }, (_, i) => `folder ${String(i).padStart(2, '0')}`);
  const root = forge.directory(
    ...names.map((name) => ({ name: Buffer.from(name), type: 'directory' as const, content: inside(name) })),
  );
  await forge.finish();
  const around = join(scratch, 'planted');
  const target = join(around, 'target');
  mkdirSync(target, { recursive: true });
  mkdirSync(join(around, 'outside'));
  // Each directory is there as a link at first: the restore removes it and makes a directory, whose way is never through a link again.
  for (const name of names) symlinkSync('../outside', join(target, name));
  const { progress } = await sandbox.restore(root, { target });
  assert.equal(progress.errors, 0);
  assert.deepEqual(readdirSync(join(around, 'outside')), []);
  assert.equal(paths(target).length, 120);
});

test('restore follows no link that replaces a directory again and again', { timeout: 120_000 }, async (t) => {
  const forge = new Forge(await sandbox.open());
  const attribute = encodeXattrs([{ name: Buffer.from('user.evil'), value: Buffer.from('evil') }]);
  const names = Array.from({ length: 30 }, (_, i) => `folder ${String(i).padStart(2, '0')}`);
  const inside = (directory: string): ContentRef =>
    forge.directory(
      ...Array.from({ length: 20 }, (_, i) => ({
        name: Buffer.from(`file ${String(i).padStart(2, '0')}`),
        content: forge.content(Buffer.from(`${directory} ${i}`)),
        xattrs: attribute,
      })),
    );
  const root = forge.directory(
    ...names.map((name) => ({
      name: Buffer.from(name),
      type: 'directory' as const,
      mode: 0o777,
      content: inside(name),
      xattrs: attribute,
    })),
  );
  await forge.finish();
  const around = join(scratch, 'raced');
  const [target, outside] = [join(around, 'target'), join(around, 'outside')];
  mkdirSync(outside, { recursive: true });
  mkdirSync(target);
  for (const name of ['file 00', 'precious']) writeFileSync(join(outside, name), 'untouched');
  const state = (): string[] => {
    const { mode, uid, gid, mtimeNs, ctimeNs } = lstatSync(outside, { bigint: true });
    return [...treeImage(outside), `${mode} ${uid} ${gid} ${mtimeNs} ${ctimeNs}`];
  };
  const before = state();
  const child = spawn(process.execPath, [SWAPPER, target, '../outside', ...names], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = outcome(child);
  try {
    await once(child.stdout, 'data');
    // With --delete it looks, too, for what should not be there: what stands aside, and what the link leads to.
    for (let round = 0; round < 6; round++)
      await sandbox.restore(root, { target, overwrite: round % 2 === 0 ? 'always' : 'if-changed', delete: round > 2 });
  } finally {
    child.stdin.end('end');
  }
  t.diagnostic(`${(await ended).out.trim()} times`);
  assert.deepEqual(state(), before);
});

test('restore reports damaged attributes and restores the rest', async () => {
  const { target, messages } = await restoreCrafted((forge) =>
    forge.directory(
      { name: Buffer.from('first'), content: forge.content(Buffer.from('x')), mode: 0o604, xattrs: Buffer.of(0x91, 1) },
      { name: Buffer.from('second'), content: forge.content(Buffer.from('y')) },
    ),
  );
  assert.deepEqual(messages, ['/first: its attributes cannot be read: its attributes: an attribute has no value']);
  assert.equal(readFileSync(join(target, 'second'), 'utf8'), 'y');
  const { mode, mtimeMs } = lstatSync(join(target, 'first'));
  assert.deepEqual([mode & 0o7777, mtimeMs], [0o604, 1_000_000_000_000]);
});

test('--delete follows no links', async () => {
  const { target, around } = await restoreCrafted(
    (forge) => forge.directory({ name: Buffer.from('kept'), content: forge.content(Buffer.from('x')) }),
    (directory, beside) => {
      mkdirSync(join(directory, 'old/deep'), { recursive: true });
      writeFileSync(join(directory, 'old/deep/file'), 'old');
      symlinkSync(beside, join(directory, 'old/link'));
      symlinkSync(join(beside, 'precious'), join(directory, 'link'));
    },
    { delete: true },
  );
  assert.deepEqual(paths(target), ['/kept']);
  assert.equal(readFileSync(join(around, 'precious'), 'utf8'), 'untouched');
});

test('restore makes links out of the target without following them', async () => {
  const { target, messages } = await restoreCrafted((forge) =>
    forge.directory(
      { name: Buffer.from('absolute'), target: Buffer.from('/etc/passwd') },
      { name: Buffer.from('up'), target: Buffer.from('../precious') },
    ),
  );
  assert.deepEqual(messages, []);
  assert.equal(readlinkSync(join(target, 'absolute')), '/etc/passwd');
});

test('restore reports and omits a file whose size does not match its chunks', async () => {
  for (const size of [0, 1, 3, 5, 5000]) {
    const { target, messages } = await restoreCrafted((forge) => {
      const content = { ...forge.content(Buffer.from('four')), size };
      return forge.directory(
        { name: Buffer.from('good'), content: forge.content(Buffer.from('good')) },
        { name: Buffer.from('lying'), content },
      );
    });
    assert.equal(messages.length, 1, `${size}: ${messages}`);
    assert.match(messages[0] as string, /\/lying: /);
    assert.deepEqual(paths(target), ['/good']);
  }
});

test('an archive never holds more of a file than its header says', async () => {
  const forge = new Forge(await sandbox.open());
  const content = { ...forge.content(randomBytes(1536)), size: 512 };
  const root = forge.directory({ name: Buffer.from('lying'), content });
  await forge.finish();
  const reader = new TreeReader(await sandbox.indexed());
  const parts: Buffer[] = [];
  const archive = async (): Promise<void> => {
    for await (const part of writeTar(dumpEntries(reader, root, Buffer.from('/')), () => assert.fail()))
      parts.push(part);
  };
  await assert.rejects(archive, isVarveError('damaged', /1536 bytes together, not 512/));
  assert.equal(Buffer.concat(parts).length, 512, 'nothing follows the header');
});

test('restore reports files and directories with missing or wrong blobs and restores the others', async () => {
  const { target, messages } = await restoreCrafted((forge) => {
    const missing = { size: 4, depth: 0 as const, ids: Buffer.alloc(32, 7) };
    const data = forge.content(Buffer.from('data'));
    const tree = forge.directory({ name: Buffer.from('x'), content: data });
    return forge.directory(
      { name: Buffer.from('a'), content: data },
      { name: Buffer.from('b missing'), content: missing },
      { name: Buffer.from('c folder'), type: 'directory', content: missing },
      { name: Buffer.from('d of data'), type: 'directory', content: data },
      { name: Buffer.from('e of trees'), content: tree },
      { name: Buffer.from('f list'), content: { ...data, depth: 1 } },
      { name: Buffer.from('g'), content: data },
    );
  });
  for (const name of ['b missing', 'c folder', 'd of data', 'e of trees', 'f list'])
    assert.ok(
      messages.some((message) => message.startsWith(`/${name}: `)),
      `${name}: ${messages}`,
    );
  assert.equal(messages.length, 5, messages.join('\n'));
  for (const name of ['a', 'g']) assert.equal(readFileSync(join(target, name), 'utf8'), 'data');
  assert.ok(!existsSync(join(target, 'b missing')) && !existsSync(join(target, 'e of trees')));
});

test('restore fails at a tree that is nested beyond the limit', { timeout: 120_000 }, async () => {
  const forge = new Forge(await sandbox.open());
  let content = forge.directory();
  for (let depth = 0; depth < MAX_DEPTH + 5; depth++)
    content = forge.directory({ name: Buffer.from('d'), type: 'directory', content });
  await forge.finish();
  await assert.rejects(sandbox.restore(content, { dryRun: true }), /nested too deeply/);
  const repository = await sandbox.indexed();
  const tooDeep = isVarveError('damaged', /^(\/d)+: directories are nested too deeply/);
  for (const mode of ['restore-size', 'raw-data'] as const)
    await assert.rejects(stats(repository, [content], mode), tooDeep);
  const archive = writeTar(dumpEntries(new TreeReader(repository), content, Buffer.from('/')), () => assert.fail());
  await assert.rejects(async () => {
    for await (const part of archive) assert.ok(part.length > 0);
  }, tooDeep);
});
