import { test } from 'node:test';
import { scratchDirectory } from '../backup/sandbox.js';
import { mountDisk } from './disks.js';
import { valueRounds } from './rounds.js';

/** Of `npm run test:values`. */
const CASES = 300;
const SEED = 1;

const isRoot = process.getuid?.() === 0;

test('restore returns random stats, names, attributes and times, or reports them as clamped', {
  skip: isRoot ? false : 'only root can give files to others',
}, async (t) => {
  const scratch = scratchDirectory();
  const disk = mountDisk(scratch, 'tmpfs');
  if (typeof disk === 'string') return t.skip(disk);
  t.after(() => disk.unmount());
  await valueRounds(disk.path, CASES, SEED);
});
