import { requireRepository } from '../repository/open.js';
import type { ObjectInfo, ObjectType, Store } from '../storage/store.js';
import { eachAtMost } from '../workers/in-flight.js';
import { type Finding, Findings } from './findings.js';
import type { Amount, CheckProgress, RunOptions } from './options.js';
import { Reading } from './reading.js';
import { isGone, OTHER_CONTENT, stopIf } from './verdicts.js';

/** All objects whose name is the hash of their bytes. */
const NAMED: readonly ObjectType[] = ['keys', 'index', 'snapshots', 'locks', 'data'];

export interface ScrubResult {
  readonly findings: readonly Finding[];
  readonly objects: Amount;
}

/**
 * Compares every object but `config` with its name. Needs no key, and so cannot tell what is missing, or which files are touched.
 *
 * @throws VarveError `no-repository`, `interrupted`
 */
export async function scrub(store: Store, options: RunOptions = {}): Promise<ScrubResult> {
  await requireRepository(store);
  const findings = new Findings(0, options.onFinding);
  const objects = await listAll(store);
  const totalBytes = objects.reduce((sum, { size }) => sum + size, 0);
  const progress: CheckProgress = { phase: 'data', done: 0, total: objects.length, bytes: 0, totalBytes, errors: 0 };
  options.onStart?.(() => ({ ...progress, errors: findings.count }));
  const reading = new Reading(store, { opening: undefined }, options.threads);
  try {
    await eachAtMost(reading.atMost, objects, async ({ type, name, size }) => {
      stopIf(options.signal);
      await scrubOne(reading, findings, type, name);
      progress.done++;
      progress.bytes += size;
    });
  } finally {
    await reading.close();
  }
  return { findings: findings.all, objects: { count: objects.length, bytes: totalBytes } };
}

async function listAll(store: Store): Promise<(ObjectInfo & { readonly type: ObjectType })[]> {
  const objects: (ObjectInfo & { readonly type: ObjectType })[] = [];
  for (const type of NAMED) for await (const info of store.list(type)) objects.push({ ...info, type });
  return objects;
}

async function scrubOne(reading: Reading, findings: Findings, type: ObjectType, name: string): Promise<void> {
  try {
    const { hash } = await reading.read(type, name);
    if (hash !== name) findings.add(type, name, OTHER_CONTENT);
  } catch (cause) {
    // Removed since it was listed.
    if (!isGone(cause)) findings.addError(type, name, cause);
  }
}
