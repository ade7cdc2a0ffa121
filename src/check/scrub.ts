// A check without keys: compares all objects with their names.
// It cannot say what is missing or which files are affected; check.ts can.
import { explainInterruption, throwIfInterrupted, VarveError } from '../errors/errors.js';
import { requireRepository } from '../repository/opening/open.js';
import { type ObjectInfo, type ObjectType, objectPath, type Store } from '../storage/store.js';
import { eachAtMost } from '../workers/in-flight.js';
import { type CheckRun, startRun } from './check-run.js';
import { type Finding, type Findings, reasonOf } from './findings.js';
import { type HealedPack, judgeByParity, PackHealer } from './healer.js';
import type { Amount, RunOptions } from './options.js';
import { Reading } from './reading.js';
import { INTERRUPTED, isGone, OTHER_CONTENT } from './verdicts.js';

/** All objects whose name is the hash of their bytes. */
const NAMED: readonly ObjectType[] = ['keys', 'index', 'snapshots', 'locks', 'data'];

export interface ScrubResult {
  readonly findings: readonly Finding[];
  readonly healed: readonly HealedPack[];
  readonly objects: Amount;
}

/**
 * Compares every object but `config` with its name. It needs no key, so it cannot know which objects are missing or which files are touched.
 *
 * @throws VarveError `no-repository`, `interrupted`
 */
export async function scrub(store: Store, options: RunOptions = {}): Promise<ScrubResult> {
  await requireRepository(store);
  const run = startRun(options, 0);
  const { findings, progress } = run;
  progress.phase = 'data';
  const healed = await explainInterruption(INTERRUPTED, async () => {
    const healedPacks = await scrubObjects(run, store, NAMED);
    await judgeByParity(store, findings, options.signal);
    return healedPacks;
  });
  return { findings: findings.all, healed, objects: { count: progress.total, bytes: progress.totalBytes } };
}

/** Compares all objects of some types with their names, and heals packs if `repair` is set. What stays damaged is added to the findings. */
export async function scrubObjects(
  { findings, progress, options }: CheckRun,
  store: Store,
  types: readonly ObjectType[],
): Promise<readonly HealedPack[]> {
  const objects = await listAll(store, types);
  progress.total = objects.length;
  progress.totalBytes = objects.reduce((sum, { size }) => sum + size, 0);
  const reading = new Reading(store, { opening: undefined }, options.threads);
  const healer = options.repair === true ? new PackHealer(store, options.onHealed) : undefined;
  try {
    await eachAtMost(reading.atMost, objects, async ({ type, name, size }) => {
      throwIfInterrupted(options.signal);
      await scrubOne(reading, findings, healer, type, name);
      progress.done++;
      progress.bytes += size;
    });
  } finally {
    await reading.close();
  }
  return healer?.healed ?? [];
}

async function listAll(
  store: Store,
  types: readonly ObjectType[],
): Promise<(ObjectInfo & { readonly type: ObjectType })[]> {
  const objects: (ObjectInfo & { readonly type: ObjectType })[] = [];
  for (const type of types) for await (const info of store.list(type)) objects.push({ ...info, type });
  return objects;
}

async function scrubOne(
  reading: Reading,
  findings: Findings,
  healer: PackHealer | undefined,
  type: ObjectType,
  name: string,
): Promise<void> {
  const wrong = await whatIsWrong(reading, type, name);
  if (wrong === undefined) return;
  try {
    if (type === 'data' && (await healer?.heal(name)) === true) return;
    findings.addError(type, name, wrong);
  } catch (cause) {
    if (isGone(cause)) return;
    findings.addError(type, name, wrong).addUnhealed(reasonOf(objectPath(type, name), cause));
  }
}

async function whatIsWrong(reading: Reading, type: ObjectType, name: string): Promise<unknown> {
  try {
    const { hash } = await reading.read(type, name);
    return hash === name ? undefined : new VarveError('damaged', OTHER_CONTENT);
  } catch (cause) {
    // Removed since it was listed.
    return isGone(cause) ? undefined : cause;
  }
}
