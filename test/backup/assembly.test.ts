import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { type BackupPool, TreeAssembly } from '../../src/backup/assembly.js';
import type { FileBatch, OpenedDirectory, PendingDirectory, Reply, Task } from '../../src/backup/messages.js';
import { VarveError } from '../../src/errors/errors.js';
import { lstat } from '../../src/filesystem/stat.js';
import { isVarveError } from '../errors/expect-error.js';

const ROOT = Buffer.from('/');
const stat = lstat(ROOT);
const pending: PendingDirectory = {
  path: ROOT,
  name: Buffer.from('root'),
  stat,
  previous: undefined,
  rootDevice: stat.device,
  above: 1,
  mounted: false,
  only: undefined,
};
const opened: OpenedDirectory = {
  ...pending,
  local: 0,
  parent: -1,
  isRoot: false,
  xattrs: undefined,
  entries: [],
  directories: [{ ...pending, path: Buffer.from('/below') }],
  batches: [0],
  large: [],
};
const batch: FileBatch = { kind: 'files', directory: { path: ROOT, above: 1, device: 0, inode: 0 }, files: [] };

/** An assembly whose tasks are done by this. */
function assemblyOf(run: (task: Task) => Promise<Reply>): TreeAssembly {
  return new TreeAssembly({ run } as unknown as BackupPool, () => undefined);
}

test('backup fails when a batch fails while directories are still walked', async () => {
  const assembly = assemblyOf(async (task) => {
    if (task.kind === 'files') throw new VarveError('interrupted', 'interrupted');
    if (task.kind === 'walk' && task.directory === pending) return { kind: 'opened', directories: [opened] };
    return new Promise((_, reject) => setTimeout(() => reject(new VarveError('interrupted', 'interrupted')), 50));
  });
  assembly.accept(0, batch);
  // A rejection that nobody hears of would fail this test, and end the program.
  await assert.rejects(assembly.directory(pending), isVarveError('interrupted'));
});
