import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { assertSameTree } from '../backup/tree-image.js';
import { type Outcome, outcome, Playground } from '../cli/varve.js';
import { suspend } from '../servers/suspend.js';

/** `npm run test:meetings` has more. */
const ROUNDS = Number(process.env.VARVE_MEETINGS ?? 2);
const FILES = 60;
const FILE_BYTES = 200_000;
const PACKS = ['--pack-size', '4'];
const PRUNE = ['prune', '--grace', '0', '--max-unused', '0', ...PACKS];

const place = new Playground();
const source = place.path('source');
/** What each snapshot has: a copy of the source. */
const copies = new Map<string, string>();
let number = 0;

/** Changes a part of the files, so that packs hold what is needed beside what is not. */
function change(): void {
  mkdirSync(source, { recursive: true });
  for (let file = number % 3; file < FILES; file += 3) writeFileSync(join(source, `${file}`), randomBytes(FILE_BYTES));
  number++;
}

/** Notes what the source is like for the backup that is about to be made. */
function keep(): string {
  const copy = place.path(`copy ${number}`);
  execFileSync('cp', ['-a', source, copy]);
  return copy;
}

async function backup(): Promise<void> {
  const copy = keep();
  copies.set(await place.backup(source, ...PACKS), copy);
}

/** All but the newest two are forgotten. */
async function forget(): Promise<void> {
  await place.ok(['forget', '--keep-last', '2']);
  const listed = new Set((await place.json<{ id: string }[]>(['snapshots'])).map(({ id }) => id));
  for (const id of copies.keys()) if (!listed.has(id)) copies.delete(id);
}

async function verify(): Promise<void> {
  const { code, out, err } = await place.run(['check', '--read-data']);
  assert.equal(code, 0, out + err);
  assert.ok(copies.size >= 2);
  for (const [id, copy] of copies) {
    const target = place.path('restored');
    await place.ok(['restore', `${id}:${source}`, '--target', target]);
    assertSameTree(target, copy);
    rmSync(target, { recursive: true });
  }
}

/** Lets a process run for a while, then stops it while something else happens. */
async function meanwhile(child: ChildProcess, milliseconds: number, action: () => Promise<void>): Promise<Outcome> {
  const ended = outcome(child);
  await delay(milliseconds);
  suspend(child.pid);
  try {
    await action();
  } finally {
    child.kill('SIGCONT');
  }
  return ended;
}

function ended({ code, out, err }: Outcome): string {
  assert.equal(code, 0, out + err);
  return out;
}

before(async () => {
  await place.ok(['init']);
  for (let round = 0; round < 3; round++) {
    change();
    await backup();
  }
});

test('a whole prune during a backup, and a whole backup during a prune', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const milliseconds = 150 + ((round * 97) % 700);
    change();
    await forget();
    const copy = keep();
    const child = place.start(['backup', '--json', source, ...PACKS]);
    const out = ended(await meanwhile(child, milliseconds, async () => void (await place.ok(PRUNE))));
    copies.set((JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as { snapshot_id: string }).snapshot_id, copy);
    await verify();
    change();
    await forget();
    ended(await meanwhile(place.start(PRUNE), milliseconds, backup));
    await verify();
  }
});

test('backups in sequence beside prunes in sequence', async () => {
  let over = false;
  const prunes = (async () => {
    let count = 0;
    for (; !over; count++) await place.ok(PRUNE);
    return count;
  })();
  for (let round = 0; round < 2 * ROUNDS; round++) {
    change();
    await backup();
    await forget();
  }
  over = true;
  assert.ok((await prunes) > 0);
  await verify();
});
