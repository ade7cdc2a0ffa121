import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { ADVICE, type Finding } from '../../src/check/findings.js';
import { ALL } from '../../src/check/subset.js';
import { COMMANDS } from '../../src/cli/program/commands.js';
import { VarveError } from '../../src/errors/errors.js';
import { PASSWORD, scratchDirectory } from '../backup/sandbox.js';
import { DamageableRepository, foreignObjects, type Kind, SPARE } from '../check/damageable-repository.js';
import { damage } from '../check/damages.js';
import { runIn, runInProcess } from '../cli/in-process.js';
import { NEEDS_PROCESSES, testArguments, testEnvironment, testPlace } from '../servers/test-place.js';
import { type Image, imageOf, reset } from '../storage/dying-store.js';
import { WHOLE } from '../whole.js';

/** More of them: VARVE_ADVICE_CASES. */
const CASES = Number(process.env.VARVE_ADVICE_CASES || (WHOLE ? 28 : 14));
/** What is enough for any damage of two objects. */
const ROUNDS = 6;

const scratch = scratchDirectory();
let damageable: DamageableRepository;
let foreign: Readonly<Record<Kind, Buffer>>;
let sound: Image;

before(async () => {
  damageable = await DamageableRepository.create(join(scratch, 'damageable'));
  foreign = await foreignObjects(join(scratch, 'foreign'));
  sound = await imageOf(damageable.sandbox.store);
});

/** Runs the command line, in a directory of its own. */
async function varve(
  args: readonly string[],
  password: string,
): Promise<{ readonly code: number | null; readonly text: string }> {
  const all = [
    '--no-cache',
    '-r',
    testPlace(join(damageable.sandbox.directory, 'repository')),
    ...testArguments,
    ...args,
  ];
  const environment = { ...process.env, ...testEnvironment, VARVE_PASSWORD: password };
  const { code, out, err } = await runIn(mkdtempSync(join(scratch, 'cwd-')), all, environment);
  return { code, text: out + err };
}

/** The commands that an advice names, in its order. */
const commandsIn = (advice: string): string[][] =>
  [...advice.matchAll(/`varve ([^`]+)`/g)].map(([, command]) => (command as string).split(' '));

/** Whether the help of a command lists it. */
async function exists([name, child]: readonly string[]): Promise<boolean> {
  if (name === undefined || !(name in COMMANDS)) return false;
  if (name !== 'repair' && name !== 'key') return true;
  const { out } = await runInProcess([name, '--help'], {});
  return new RegExp(`^  ${child}\\b`, 'm').test(out);
}

/** Tell people something, and mend nothing by themselves. */
const TELLING = new Set(['snapshots', 'key']);

/** Does what is advised: runs the commands, deletes the object. */
async function follow(finding: Finding, password: string): Promise<void> {
  const { advice, subject, name } = finding;
  for (const command of commandsIn(advice)) {
    if (TELLING.has(command[0] as string)) continue;
    const args = command.join() === 'forget' ? [...command, ...(await beyondRepair(password))] : command;
    if (args.join() === 'forget') continue;
    const { code, text } = await varve(args, password);
    // A pack that is damaged beside the one that is being repaired is told by exit code 1, a snapshot of which nothing is left by 3.
    assert.ok(code === 0 || code === 1 || code === 3, `${args.join(' ')}: ${text}`);
    assert.doesNotMatch(text, /^Fatal: /m, args.join(' '));
  }
  if (/delete the object/.test(advice)) await damageable.sandbox.store.remove(subject as 'keys' | 'locks', name);
}

/** Snapshots that `repair snapshots` could not make anew: those that something is wrong with after it. */
async function beyondRepair(password: string): Promise<string[]> {
  const { findings } = await damageable.check({}, password);
  return [...new Set(findings.flatMap(({ snapshots }) => [...snapshots]))];
}

async function soundPassword(): Promise<string> {
  for (const password of [PASSWORD, ...SPARE]) {
    const opened = await damageable.open(password).catch((cause: unknown) => VarveError.from(cause));
    if (!(opened instanceof VarveError)) return password;
  }
  throw new Error('no key opens');
}

/** What check still finds when its advice was followed. */
async function mend(): Promise<string[]> {
  const password = await soundPassword();
  const lossBefore = await damageable.loss(password);
  let left: readonly Finding[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    left = (await damageable.check({ readData: ALL }, password)).findings;
    const next = left.find(({ subject }) => subject !== 'blobs') ?? left[0];
    if (next === undefined) break;
    await follow(next, password);
  }
  const lossAfter = await damageable.loss(password);
  const known = new Set(lossBefore.files);
  assert.deepEqual(
    lossAfter.files.filter((file) => !known.has(file)),
    [],
    'nothing more is lost than was',
  );
  return left.map(({ message }) => message);
}

test('every command in an advice exists', async () => {
  const named = new Set<string>();
  for (const advice of Object.values(ADVICE))
    for (const [name, child] of commandsIn(advice)) named.add([name, child ?? ''].join(' '));
  for (const command of named) {
    const [name, child] = command.split(' ');
    assert.ok(await exists([name as string, child as string]), command);
  }
});

for (let number = 0; number < CASES; number++) {
  test(`the advice of check repairs damage ${number}`, { skip: NEEDS_PROCESSES, timeout: 120_000 }, async (t) => {
    const done = await damage(damageable, foreign, number);
    t.diagnostic(`${done.kind} ${done.way}`);
    try {
      if (done.kind === 'config') return;
      assert.deepEqual(await mend(), []);
    } finally {
      await done.heal();
      await reset(damageable.sandbox.store, damageable.beneath, sound);
    }
  });
}
