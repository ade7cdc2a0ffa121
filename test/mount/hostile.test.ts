import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Playground } from '../cli/varve.js';
import { shareOf } from '../hostile/share.js';
import { peakMemory } from '../servers/peak-memory.js';
import { NO_FUSE, type Running, startMount } from './fuse.js';

const FIXTURES = fileURLToPath(new URL('../../../fixtures/hostile', import.meta.url));
/** MiB of the JavaScript heap, and of all memory, 128 of which are for contents. */
const [HEAP, MEMORY] = [256, 640];
/** A stack trace, or control characters from a name. */
const STACK = /^ +at .*:\d+:\d+\)?$|node:internal/m;
const CONTROL = /[^\P{C}\n]/u;
/** Reads everything that a program can read; stops after a while where there is no end. */
const ASK = `find "$1" -xdev -ls; find "$1" -xdev -type f -exec head -c 1000000 {} + ; getfattr -R -P -d -m - "$1"; true`;

const { password, cases } = JSON.parse(readFileSync(join(FIXTURES, 'cases.json'), 'utf8')) as {
  password: string;
  cases: readonly { readonly name: string; readonly what: string }[];
};

describe('mount of a hostile repository whose maker has a key', { skip: NO_FUSE }, () => {
  let mount: Running | undefined;
  after(() => mount?.stop());
  const play = new Playground();
  writeFileSync(play.path('password'), `${password}\n`, { mode: 0o600 });

  for (const { name, what } of shareOf(cases))
    it(`${name}: ${what}`, async () => {
      cpSync(join(FIXTURES, name), play.path(name), { recursive: true });
      const args = ['--repo', play.path(name), '--password-file', play.path('password'), '--no-cache'];
      const env = { NODE_OPTIONS: `--max-old-space-size=${HEAP}`, VARVE_KEY_FILE: undefined };
      mount = await startMount(play, `mnt-${name}`, args, { env });
      const { signal, stdout } = spawnSync('timeout', ['20', 'sh', '-c', ASK, 'sh', mount.path], {
        maxBuffer: 2 ** 28,
        encoding: 'latin1',
      });
      assert.equal(signal, null);
      assert.match(stdout, /snapshots/);
      const memory = peakMemory(mount.child.pid) / 2 ** 20;
      assert.ok(memory < MEMORY, `${Math.round(memory)} MiB of memory`);
      const { code, err } = await mount.stop();
      mount = undefined;
      assert.equal(code, 0, err);
      assert.doesNotMatch(err, STACK);
      assert.doesNotMatch(err, CONTROL);
      assert.doesNotMatch(err, /internal|undefined|Cannot read/, err);
    });
});
