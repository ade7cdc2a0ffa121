import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { chmodSync, closeSync, constants, linkSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { FileSystems } from '../../src/restore/file-system.js';
import { GrowingFile, openPart } from '../../src/restore/growing-file.js';
import { scratchDirectory } from '../backup/sandbox.js';
import { isVarveError } from '../errors/expect-error.js';

const scratch = scratchDirectory();
const directory = openSync(scratch, constants.O_RDONLY | constants.O_DIRECTORY);
after(() => closeSync(directory));
const fileSystems = new FileSystems(() => Buffer.from('probe'), false);
const outside = join(scratch, 'outside');
writeFileSync(outside, 'precious', { mode: 0o600 });

/** What somebody else might put in the place of a temporary file before it is opened. */
const PLANTS: Record<string, (path: string) => void> = {
  link: (path) => symlinkSync(outside, path),
  name: (path) => linkSync(outside, path),
  'file of others': (path) => {
    writeFileSync(path, 'theirs');
    chmodSync(path, 0o666);
  },
};

test('restore does not write to a file that replaced its temporary file', () => {
  for (const [what, plant] of Object.entries(PLANTS)) {
    for (const temporary of [undefined, Buffer.from(`part: ${what}`)]) {
      const name = temporary ?? Buffer.from(`own: ${what}`);
      plant(join(scratch, name.toString()));
      const file = new GrowingFile({ path: Buffer.from('file'), raw: Buffer.alloc(0), temporary }, false, fileSystems);
      assert.throws(() => file.open(directory, name), what);
      assert.equal(file.handle, undefined);
    }
  }
  assert.equal(readFileSync(outside, 'utf8'), 'precious');
});

test('restore reports another file in place of a growing file', () => {
  const name = Buffer.from('replaced');
  writeFileSync(join(scratch, 'replaced'), 'theirs');
  chmodSync(join(scratch, 'replaced'), 0o644);
  assert.throws(
    () => openPart(directory, name, fileSystems),
    isVarveError('target', /its temporary file replaced was replaced by another file/),
  );
  chmodSync(join(scratch, 'replaced'), 0o600);
  closeSync(openPart(directory, name, fileSystems));
});
