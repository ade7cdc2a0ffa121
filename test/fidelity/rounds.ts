import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { type Step, step } from '../backup/random-steps.js';
import { apply, empty } from '../backup/random-tree.js';
import { Sandbox } from '../backup/sandbox.js';
import { assertEqualTrees } from './compare.js';
import { complaintsBelow } from './complaints.js';

/** A random tree, and what is changed in it after the first backup. */
interface Plan {
  readonly initial: readonly Step[];
  readonly changes: readonly Step[];
  /** Whether each thing in the tree is a source of its own, so that hard links go from one source to another. */
  readonly isSplit: boolean;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  initial: fc.array(step, { minLength: 5, maxLength: 70, size: 'max' }),
  changes: fc.array(step, { minLength: 1, maxLength: 15, size: 'max' }),
  isSplit: fc.boolean(),
});

/**
 * Backs up and restores random trees, and holds every attribute of what returns against the original.
 *
 * @param directory a new one
 * @param runs trees; unless it is the few of a usual test, a failing one is made smaller
 */
export async function fidelityRounds(directory: string, runs: number, isLong: boolean): Promise<void> {
  const sandbox = await Sandbox.create(directory);
  let number = 0;
  const property = fc.asyncProperty(plan, (each) => round(sandbox, each, join(directory, `target-${number++}`)));
  await fc.assert(property, { numRuns: runs, endOnFailure: !isLong, ...(!isLong && { seed: 1 }) });
}

async function round(sandbox: Sandbox, { initial, changes, isSplit }: Plan, target: string): Promise<void> {
  const { source } = sandbox;
  empty(source);
  apply(source, initial);
  const first = await backedUp(sandbox, isSplit, false);
  await restored(sandbox, first, target);
  apply(source, changes);
  const second = await backedUp(sandbox, isSplit, true);
  await restored(sandbox, second, `${target}-anew`);
  await restored(sandbox, second, target);
  assert.equal(await restored(sandbox, second, target), 0, 'what is right is not written again');
  for (const each of [target, `${target}-anew`]) execFileSync('rm', ['-rf', each]);
}

type Root = Awaited<ReturnType<Sandbox['backup']>>['snapshot']['root'];

async function backedUp(sandbox: Sandbox, isSplit: boolean, hasParent: boolean): Promise<Root> {
  const names = isSplit ? readdirSync(sandbox.source, { encoding: 'buffer' }) : [];
  const sources = names.map((name) => Buffer.concat([Buffer.from(`${sandbox.source}/`), name]));
  const { events, errors, snapshot } = await sandbox.backup({
    ...(sources.length > 0 && { sources }),
    parent: hasParent ? 'latest' : undefined,
  });
  assert.deepEqual(complaintsBelow('', events), []);
  assert.equal(errors, 0);
  return snapshot.root;
}

/** Restores into a new directory, or over what is there; then it must be the source. @returns bytes written */
async function restored(sandbox: Sandbox, root: Root, target: string): Promise<number> {
  mkdirSync(target, { recursive: true });
  const { events, progress } = await sandbox.restore(root, { target, delete: true });
  assert.deepEqual(complaintsBelow(sandbox.source, events), []);
  assert.equal(progress.errors, 0);
  assertEqualTrees(sandbox.source, target + sandbox.source);
  return progress.bytesRestored;
}
