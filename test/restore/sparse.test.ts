import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ContentRef, TREE } from '../../src/format/content.js';
import type { Entry } from '../../src/format/entry.js';
import { Layout } from '../../src/format/layout.js';
import type { RestoreOptions } from '../../src/restore/options.js';
import { partName } from '../../src/restore/temporary-names.js';
import { Sandbox, scratchDirectory } from '../backup/sandbox.js';
import { share } from '../whole.js';
import { Forge } from './crafted.js';

const scratch = scratchDirectory();
const sandbox = await Sandbox.create(join(scratch, 'box'));
const BLOCK = 4096;
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

function withoutHoles(): string | false {
  const path = join(scratch, 'probe');
  writeFileSync(path, 'x');
  truncateSync(path, 64 * MIB);
  return lstatSync(path).blocks > 1000 && 'the file system has no holes';
}
const skip = withoutHoles();

/** A file whose stream lies between holes as the runs say. */
function sparse(forge: Forge, name: string, runs: readonly number[], stream: Buffer): Partial<Entry> {
  const layout = new Layout(runs);
  assert.equal(layout.stored, stream.length);
  const encoded = layout.encode();
  const holes = encoded.length > 1024 ? forge.content(encoded, TREE) : encoded;
  return { name: Buffer.from(name), content: forge.content(stream), size: layout.size, holes, mode: 0o600 };
}

async function craft(make: (forge: Forge) => Partial<Entry>[]): Promise<ContentRef> {
  const forge = new Forge(await sandbox.open());
  const root = forge.directory(
    ...make(forge).map((each) => ({ uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, ...each })),
  );
  await forge.finish();
  return root;
}

/** What a file of these runs holds. */
function expected(runs: readonly number[], stream: Buffer): Buffer {
  const layout = new Layout(runs);
  const bytes = Buffer.alloc(layout.size);
  for (const piece of layout.pieces(0, stream.length))
    stream.copy(bytes, piece.file, piece.stream, piece.stream + piece.length);
  return bytes;
}

test('restore returns 100 GiB with 10 MiB of data and recognises them again', {
  skip,
  timeout: 60_000,
}, async () => {
  const runs = Array.from({ length: 20 }, (_, number) => (number % 2 === 0 ? MIB : 10 * GIB - MIB));
  const data = randomBytes(10 * MIB);
  const root = await craft((forge) => [
    sparse(forge, 'disk', runs, data),
    sparse(forge, 'nothing', [0, 50 * GIB], Buffer.alloc(0)),
  ]);
  const target = join(scratch, 'huge');
  const options: Partial<RestoreOptions> = { target, verify: true, verbose: true };
  const { progress, events } = await sandbox.restore(root, options);
  assert.deepEqual(
    events.map((event) => event.kind === 'item' && event.action),
    ['restored', 'restored'],
  );
  assert.equal(progress.bytesRestored, 10 * MIB);
  const disk = join(target, 'disk');
  assert.equal(lstatSync(disk).size, 100 * GIB);
  assert.ok(lstatSync(disk).blocks * 512 < 10 * MIB + 21 * BLOCK, `${lstatSync(disk).blocks} blocks`);
  assert.equal(lstatSync(join(target, 'nothing')).size, 50 * GIB);
  assert.ok(lstatSync(join(target, 'nothing')).blocks <= 16);
  const file = openSync(disk, 'r+');
  const middle = Buffer.alloc(MIB);
  readSync(file, middle, 0, MIB, 30 * GIB);
  assert.ok(middle.equals(data.subarray(3 * MIB, 4 * MIB)));
  const again = await sandbox.restore(root, options);
  assert.equal(again.progress.filesSkipped, 2, 'both are as they should be');
  assert.equal(again.progress.bytesRestored, 0);
  writeSync(file, Buffer.from('something'), 0, 9, 5 * GIB);
  closeSync(file);
  const third = await sandbox.restore(root, options);
  assert.equal(third.progress.filesRestored, 1, 'what is in a hole is not left there');
  assert.ok(lstatSync(disk).blocks * 512 < 10 * MIB + 21 * BLOCK);
});

test('restore returns any holes, also over other files and parts', {
  skip,
  timeout: 240_000,
}, async () => {
  const run = fc.oneof(
    fc.nat(9000),
    fc.nat(3).map((blocks) => blocks * BLOCK),
    fc.constantFrom(300_000, 1_000_000),
  );
  let number = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(run, { minLength: 2, maxLength: 12 }),
      fc.constantFrom<'nothing' | 'zeros' | 'spoiled' | 'shorter' | 'dense'>(
        'nothing',
        'zeros',
        'spoiled',
        'shorter',
        'dense',
      ),
      fc.boolean(),
      async (lengths, before, zeroed) => {
        const runs = lengths.map((length, at) => (at === 0 ? length : length + 1));
        const layout = new Layout(runs);
        const stream = randomBytes(layout.stored);
        if (zeroed) stream.fill(0, Math.floor(stream.length / 3));
        const content = expected(runs, stream);
        const root = await craft((forge) => [sparse(forge, 'file', runs, stream)]);
        const target = join(scratch, `random-${number++}`);
        const path = join(target, 'file');
        if (before !== 'nothing') {
          await sandbox.restore(root, { target });
          if (before === 'dense') writeFileSync(path, content);
          else {
            const file = openSync(path, 'r+');
            if (before === 'zeros') writeSync(file, Buffer.alloc(5000), 0, 5000, Math.floor(layout.size / 2));
            else if (before === 'spoiled') writeSync(file, Buffer.from('spoiled'), 0, 7, Math.floor(layout.size / 2));
            else ftruncateSync(file, Math.floor(layout.size / 2));
            closeSync(file);
          }
        }
        const { events, progress } = await sandbox.restore(root, { target, verify: true, sparse: zeroed });
        assert.deepEqual(events, []);
        assert.equal(progress.bytesRestored + progress.bytesSkipped, layout.stored);
        assert.ok(readFileSync(path).equals(content));
      },
    ),
    share(10, 30),
  );
});

/** A number that no process has. */
const NOBODY = 2 ** 22 + 1;

/** What an earlier run left of `file`. */
function leftBehind(name: string, content: Buffer): string {
  const target = join(scratch, name);
  mkdirSync(target);
  const part = partName(Buffer.from('file'), `${NOBODY}-0a`).toString();
  writeFileSync(join(target, part), content, { mode: 0o600 });
  return target;
}

test('restore reuses no part with data in a hole', async () => {
  const runs = [4 * MIB, MIB, 4 * MIB];
  const stream = randomBytes(8 * MIB);
  const content = expected(runs, stream);
  const root = await craft((forge) => [sparse(forge, 'file', runs, stream)]);
  for (const spoiled of [false, true]) {
    const left = Buffer.from(content);
    if (spoiled) left.write('something', 4 * MIB + 1000);
    left.write('unlike', 8 * MIB);
    const target = leftBehind(`left-in-hole-${spoiled}`, left);
    const { progress } = await sandbox.restore(root, { target });
    assert.equal(progress.bytesSkipped > 0, !spoiled);
    assert.ok(readFileSync(join(target, 'file')).equals(content));
    assert.deepEqual(readdirSync(target), ['file']);
  }
});

test('--sparse overwrites leftovers with zeros', async () => {
  const content = randomBytes(12 * MIB);
  content.fill(0, 4 * MIB, 8 * MIB);
  const root = await craft((forge) => [{ name: Buffer.from('file'), content: forge.content(content) }]);
  const left = Buffer.from(content);
  left.fill('x', 4 * MIB, 8 * MIB);
  const target = leftBehind('left-for-zeros', left);
  const { progress, events } = await sandbox.restore(root, { target, sparse: true, verify: true });
  assert.deepEqual(events, []);
  assert.ok(progress.bytesSkipped > 0, 'the rest is taken');
  assert.ok(readFileSync(join(target, 'file')).equals(content));
});

test('restore reports a layout that does not fit its file', async () => {
  const root = await craft((forge) => [
    { ...sparse(forge, 'longer', [10, 10], randomBytes(10)), size: 21 },
    { ...sparse(forge, 'odd', [10, 10], randomBytes(10)), holes: Buffer.from([0xc1]) },
    { name: Buffer.from('well'), content: forge.content(Buffer.from('well')) },
  ]);
  const { target, events } = await sandbox.restore(root);
  assert.deepEqual(events.map((event) => `${event.kind} ${event.path}`).sort(), ['error /longer', 'error /odd']);
  assert.equal(readFileSync(join(target, 'well'), 'utf8'), 'well');
});

test('--verify notices data in a hole', { skip }, async () => {
  const root = await craft((forge) => [sparse(forge, 'file', [BLOCK, 10 * MIB], randomBytes(BLOCK))]);
  const target = join(scratch, 'spoiled');
  const { events } = await sandbox.restore(root, {
    target,
    verify: true,
    verbose: true,
    onEvent: (event) => {
      if (event.kind !== 'item') return;
      const file = openSync(join(target, 'file'), 'r+');
      writeSync(file, Buffer.from('x'), 0, 1, 5 * MIB);
      closeSync(file);
    },
  });
  assert.match(JSON.stringify(events), /has data where the snapshot has a hole/);
});

test('--sparse makes holes of zero blocks, in small and growing files', {
  skip,
}, async () => {
  const large = randomBytes(30 * MIB);
  large.fill(0, 5 * MIB, 25 * MIB);
  const small = Buffer.concat([
    randomBytes(BLOCK),
    Buffer.alloc(50 * BLOCK),
    randomBytes(10),
    Buffer.alloc(20 * BLOCK),
  ]);
  const root = await craft((forge) => [
    {
      name: Buffer.from('ends'),
      content: forge.content(Buffer.concat([Buffer.from('x'), Buffer.alloc(4 * BLOCK - 1)])),
    },
    { name: Buffer.from('large'), content: forge.content(large) },
    { name: Buffer.from('small'), content: forge.content(small) },
  ]);
  for (const isSparse of [true, false]) {
    const { target, events } = await sandbox.restore(root, { sparse: isSparse, verify: true });
    assert.deepEqual(events, []);
    const blocks = (name: string): number => lstatSync(join(target, name)).blocks * 512;
    if (isSparse) {
      assert.ok(blocks('large') < 11 * MIB && blocks('small') <= 4 * BLOCK, `${blocks('large')} ${blocks('small')}`);
    } else assert.ok(blocks('large') >= 30 * MIB && blocks('small') >= 70 * BLOCK);
    assert.ok(readFileSync(join(target, 'large')).equals(large));
    assert.ok(readFileSync(join(target, 'small')).equals(small));
  }
});
