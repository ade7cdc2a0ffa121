import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { assertSameTree, treeImage } from '../backup/tree-image.js';
import { type Outcome, outcome, Playground } from '../cli/varve.js';
import { nothingRemains } from './run.js';
import { MISSING, type Reach, WAYS, type Way } from './ways.js';

const FILES = 16;
const FILE_BYTES = 2_000_000;
const SEED = 1;
/** Of packs: what is under way then is not the last. */
const REQUESTS = 1;
/** Milliseconds: those below, the last try's 5 s, what is cleaned up, and what a busy machine needs. */
const ENDED = 45_000;
const PACKS = ['--pack-size', '4'];
const IDLE_TIMEOUT = ['--retry-for', '2s', '--stuck-request-timeout', '2s'];

const play = new Playground();

/** Writes all files again: what earlier backups have stored is of no use. */
function newSource(kind: string): string {
  const files = Array.from({ length: FILES }, (_, i) => [`file ${i}`, randomBytes(FILE_BYTES)] as const);
  return play.files(`source of ${kind}`, Object.fromEntries(files));
}

interface Ended extends Outcome {
  /** Milliseconds from when the server went away. */
  readonly after: number;
}

/** Runs a command whose server goes away for good when so many packs have been put, or got. */
async function whileItGoes(way: Way, how: 'refusing' | 'silent', doing: 'put' | 'get', args: string[]): Promise<Ended> {
  const child = play.start([...args, '--debug', ...IDLE_TIMEOUT, ...PACKS, ...options(way.through)], {
    env: { ...way.through.environment },
  });
  const ending = outcome(child);
  let seen = '';
  let gone = 0;
  child.stderr?.on('data', (text: Buffer) => {
    seen += text.toString();
    if (gone > 0 || seen.split(new RegExp(`${doing} +data/.* ok\\n`)).length <= REQUESTS) return;
    gone = performance.now();
    way.vanish(how);
  });
  const ended = await ending;
  assert.ok(gone > 0, ended.err);
  return { ...ended, after: performance.now() - gone };
}

const options = ({ place, extended }: Reach): string[] => [
  '--repo',
  place,
  ...Object.entries(extended).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
];

const direct = (way: Way, ...args: string[]): Promise<Outcome> =>
  play.ok([...args, ...options(way.direct)], { env: { ...way.direct.environment } });

async function endsClearly(way: Way, { code, err, after: milliseconds }: Ended, what: RegExp): Promise<void> {
  const said = err.split('\n').filter((line) => !/^\d{4}-\d\d-\d\dT|^(?:ssh|rclone): /.test(line));
  assert.equal(code, 1, err);
  assert.match(said.join('\n'), what);
  assert.ok(milliseconds < ENDED, `${milliseconds} ms`);
  await nothingRemains(way);
  await way.comeBack();
}

// Most of the time is waiting, so the kinds wait side by side.
describe('commands whose server disappears', { concurrency: true }, () => {
  for (const [kind, start] of Object.entries(WAYS)) {
    test(`${kind}: a backup and a restore end with an error and leave nothing when the server disappears`, {
      skip: MISSING[kind] ?? false,
    }, async () => {
      const way = await start(SEED);
      try {
        await direct(way, 'init');
        for (const how of ['refusing', 'silent'] as const)
          await endsClearly(
            way,
            await whileItGoes(way, how, 'put', ['backup', newSource(kind)]),
            /^Fatal: cannot .*; (?:given up after \d+ tries in|nothing has succeeded for) \d/m,
          );
        const source = newSource(kind);
        await direct(way, 'backup', source, ...PACKS);
        if (way.leavesParts) await direct(way, 'prune', '--grace', '0');
        await direct(way, 'check', '--read-data');
        const restore = (to: string): string[] => ['restore', 'latest', '--target', play.path(to)];
        for (const how of ['refusing', 'silent'] as const)
          await endsClearly(
            way,
            await whileItGoes(way, how, 'get', restore(`${kind} ${how}`)),
            /^Fatal: cannot read data\/[0-9a-f]{64}.*; (?:given up after \d+ tries in|nothing has succeeded for) \d/m,
          );
        await direct(way, ...restore(kind));
        assertSameTree(`${play.path(kind)}${source}`, treeImage(source));
      } finally {
        await way.stop();
      }
    });
  }
});
