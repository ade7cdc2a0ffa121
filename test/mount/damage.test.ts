import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { Playground } from '../cli/varve.js';
import { NO_FUSE, startMount } from './fuse.js';

const FILES = 24;
const FILE_BYTES = 1_000_000;

describe('a mount of a damaged repository', { skip: NO_FUSE }, () => {
  const play = new Playground();
  const source = play.path('source');

  before(async () => {
    // Half of them compress, because compressed frames are read in another way.
    const content = (number: number): Buffer =>
      number % 2 === 0
        ? randomBytes(FILE_BYTES)
        : Buffer.from(Array.from({ length: FILE_BYTES / 8 }, () => Math.random().toString(16).slice(2, 9)).join(' '));
    play.files(
      'source',
      Object.fromEntries(Array.from({ length: FILES }, (_, i) => [`file ${i}`, content(i)] as const)),
    );
    await play.ok(['init']);
    await play.ok(['backup', source, '--pack-size', '4']);
  });

  /** Reads all files. @returns the names of those that cannot be read */
  function unreadable(mountpoint: string): string[] {
    const directory = join(mountpoint, 'snapshots/latest', source);
    return readdirSync(directory).filter((name) => {
      try {
        assert.equal(readFileSync(join(directory, name)).equals(readFileSync(join(source, name))), true, name);
        return false;
      } catch (cause) {
        assert.match(String(cause), /EIO/);
        return true;
      }
    });
  }

  for (const how of ['changed', 'gone'] as const)
    it(`gives errors only for the files of a pack, and names it, when the pack is ${how}`, async () => {
      const beneath = await play.beneath();
      const [pack = ''] = (await beneath.packs()).slice(how === 'changed' ? 0 : 1);
      const bytes = await beneath.get('data', pack);
      if (how === 'changed') {
        const damaged = Buffer.from(bytes);
        for (let at = 1000; at < damaged.length - 5000; at += 100_000) damaged[at] = (damaged[at] as number) ^ 1;
        await beneath.plant('data', pack, damaged);
      } else await beneath.remove('data', pack);
      const mount = await startMount(play, `mnt-${how}`);
      let failed: string[];
      let again: string[];
      try {
        failed = unreadable(mount.path);
        again = unreadable(mount.path);
      } finally {
        await mount.stop();
        await beneath.plant('data', pack, bytes);
      }
      assert.ok(failed.length > 0 && failed.length < FILES, `${failed.length} of ${FILES}`);
      assert.deepEqual(again, failed);
      for (const name of failed)
        assert.match(mount.stderr(), new RegExp(`Warning: [0-9a-f]{8}:${source}/${name}: .*data/${pack}`));
      assert.equal(mount.stderr().match(/Warning/g)?.length, failed.length, mount.stderr());
    });

  it('keeps packs from a prune, and finds repacked blobs again when a prune ran', async () => {
    const junk = play.files('junk', { one: randomBytes(700_000), two: randomBytes(700_000) });
    await play.ok(['backup', source, junk, '--force', '--pack-size', '4', '--tag', 'both']);
    await play.ok(['rewrite', '--forget', '--exclude', junk, '--tag', 'both']);
    const mount = await startMount(play, 'mnt-moved');
    try {
      const beneath = await play.beneath();
      const before = await beneath.names('data');
      const prune = async (): Promise<string[]> => {
        for (let times = 0; times < 2; times++) await play.ok(['prune', '--max-unused', '0', '--grace', '0']);
        const after = new Set(await beneath.names('data'));
        return before.filter((name) => !after.has(name));
      };
      assert.deepEqual(await prune(), [], 'a prune removed packs of a mount with a lease');
      for (const name of await beneath.names('locks')) await beneath.remove('locks', name);
      assert.notDeepEqual(await prune(), [], 'the prune removed nothing');
      assert.deepEqual(unreadable(mount.path), [], mount.stderr());
      assert.equal(mount.stderr(), '');
    } finally {
      await mount.stop();
    }
  });
});
