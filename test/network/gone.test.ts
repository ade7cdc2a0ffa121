import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { assertSameTree, treeImage } from '../backup/tree-image.js';
import { type Outcome, outcome, Playground } from '../cli/varve.js';
import { nothingRemains } from './run.js';
import { MISSING, type Reach, WAYS, type Way } from './ways.js';

const FILES = 8;
const FILE_BYTES = 4_000_000;
const SEED = 1;
/** Of packs: what is under way then is not the last. */
const REQUESTS = 2;
/** Milliseconds: those below, the last try's 5 s, what is cleaned up, and what a busy machine needs. */
const ENDED = 25_000;
const PATIENCE = ['--retry-for', '2s', '--stuck-request-timeout', '2s'];

const play = new Playground();
const files = Array.from({ length: FILES }, (_, i) => [`file ${i}`, randomBytes(FILE_BYTES)] as const);
const source = play.files('source', Object.fromEntries(files));
const image = treeImage(source);

interface Ended extends Outcome {
  /** Milliseconds from when the server went away. */
  readonly after: number;
}

/** Runs a command whose server goes away for good when so many packs have been put, or got. */
async function whileItGoes(way: Way, how: 'refusing' | 'silent', doing: 'put' | 'get', args: string[]): Promise<Ended> {
  const child = play.start([...args, '--debug', ...PATIENCE, '--pack-size', '4', ...options(way.through)], {
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

function endsClearly({ code, err, after: milliseconds }: Ended, what: RegExp): void {
  const said = err.split('\n').filter((line) => !/^\d{4}-\d\d-\d\dT|^(?:ssh|rclone): /.test(line));
  assert.equal(code, 1, err);
  assert.match(said.join('\n'), what);
  assert.ok(milliseconds < ENDED, `${milliseconds} ms`);
}

for (const [kind, start] of Object.entries(WAYS)) {
  describe(kind, { skip: MISSING[kind] ?? false }, () => {
    for (const how of ['refusing', 'silent'] as const) {
      test(`the server goes away for good, ${how}: a backup and a restore end with an error, and nothing of them remains`, async () => {
        const [backup, restore] = await Promise.all([start(SEED), start(SEED)]);
        after(() => Promise.all([backup.stop(), restore.stop()]));
        await direct(backup, 'init');
        await direct(restore, 'init');
        await direct(restore, 'backup', source, '--pack-size', '4');
        endsClearly(
          await whileItGoes(backup, how, 'put', ['backup', source]),
          /^Fatal: cannot write data\/[0-9a-f]{64}.*; given up after \d+ tries in \d/m,
        );
        const target = play.path(`${kind} ${how}`);
        endsClearly(
          await whileItGoes(restore, how, 'get', ['restore', 'latest', '--target', target]),
          /^Fatal: cannot read data\/[0-9a-f]{64}.*; (?:given up after \d+ tries in|nothing has succeeded for) \d/m,
        );
        for (const way of [backup, restore]) await nothingRemains(way);
        rmSync(target, { recursive: true, force: true });
        await direct(backup, 'backup', source);
        await direct(backup, 'check', '--read-data');
        await direct(backup, 'restore', 'latest', '--target', target);
        assertSameTree(`${target}${source}`, image);
      });
    }
  });
}
