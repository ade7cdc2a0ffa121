import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { scratchDirectory } from '../backup/sandbox.js';
import { runAsNobody } from '../fidelity/nobody.js';

test('restore as a normal user writes to own read-only targets, and explains other failures', {
  skip: process.getuid?.() !== 0 && 'starts a process of another user: runs as root only',
}, (t) => {
  const scratch = scratchDirectory();
  const ofRoot = join(scratch, 'of-root');
  mkdirSync(ofRoot, { mode: 0o755 });
  const script = new URL('./as-user.js', import.meta.url).pathname;
  const printed = runAsNobody(t, scratch, [script, 'FOLDER', ofRoot]);
  if (printed === undefined) return;
  assert.deepEqual(JSON.parse(printed), {
    readOnly: '0 errors, file,other, mode as before',
    closed: '0 errors, file,other, mode as before',
    ofRoot: `cannot write to the target ${ofRoot}: permission denied`,
    device: 'is a device, and only root can make devices; --no-special leaves them out',
  });
});
