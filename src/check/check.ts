import { explainInterruption, isUnreadable, VarveError } from '../errors/errors.js';
import type { IndexedPack } from '../format/index-object.js';
import { type IndexedRepository, loadIndex, writeIndex } from '../repository/index/index-store.js';
import { ListedPacks } from '../repository/index/listed-packs.js';
import { listLeases } from '../repository/leases/leases.js';
import { packsOfSnapshots } from '../repository/reading/packs-of-snapshots.js';
import { type Repository, uncached } from '../repository/repository.js';
import { BadBlobs } from './bad-blobs.js';
import { Listed } from './changes.js';
import { type CheckRun, startRun } from './check-run.js';
import { opensPack, readPacks } from './content.js';
import { type Finding, Findings } from './findings.js';
import { type HealedPack, judgeByParity } from './healer.js';
import { checkKeys, checkLeases, type OpenedSnapshot, openSnapshots } from './objects.js';
import type { Amount, CheckOptions, CheckProgress, CheckResult } from './options.js';
import { PackCheck, type StoredPack } from './packs.js';
import { scrubObjects } from './scrub.js';
import { choosePacks } from './subset.js';
import { TreeCheck } from './trees.js';
import { INTERRUPTED } from './verdicts.js';

/** Checks at most, while something is missing and other commands change the repository. */
const LOOKS = 5;
/** Files that are named with each finding. */
const FILES_NAMED = 20;

/**
 * Checks that every snapshot can be restored, and everything else in the repository. It reads past the cache.
 *
 * @throws VarveError `role` for an append key, `usage` when packs without parity are to be healed, `interrupted`; what is wrong with the repository is
 * returned as findings
 */
export async function check(cached: Repository, options: CheckOptions = {}): Promise<CheckResult> {
  cached.keys.requireRole('manage', 'check the repository');
  const repository = uncached(cached);
  return explainInterruption(INTERRUPTED, () => checkUntilStable(repository, options));
}

/** Checks again while something is absent and other commands have changed the repository. */
async function checkUntilStable(repository: Repository, options: CheckOptions): Promise<CheckResult> {
  let listed = new Listed();
  const first = await checkOnce(repository, options, listed);
  let last = first;
  for (
    let looks = 1;
    looks < LOOKS && last.findings.some(isAbsence) && (await listed.hasChanged(repository));
    looks++
  ) {
    // A prune may have removed what is missing, together with the snapshots that needed it.
    listed = new Listed();
    last = await checkOnce(repository, { ...options, readData: undefined, repair: false }, listed);
  }
  return last === first ? first : withAbsencesOf(first, last);
}

const isAbsence = (finding: Finding): boolean => finding.isAbsence;

/** The first check's result, with a later check's findings of what is missing. */
function withAbsencesOf(first: CheckResult, last: CheckResult): CheckResult {
  const findings = [...first.findings.filter((each) => !each.isAbsence), ...last.findings.filter(isAbsence)];
  const { indexUnread, orphans } = first;
  const broken = brokenOf(findings);
  return {
    ...first,
    findings,
    brokenPacks: broken.packs,
    suggestRepairIndex: last.suggestRepairIndex || broken.suggestsRepairIndex,
    suggestPrune: last.suggestPrune && orphans.count > 0 && !indexUnread && !broken.suggestsRepairIndex,
  };
}

/** The certain findings about packs and the index. */
function brokenOf(findings: readonly Finding[]): { packs: string[]; suggestsRepairIndex: boolean } {
  const damaged = findings.filter(({ unreadable, uncertain }) => !unreadable && !uncertain);
  return {
    packs: damaged.filter(({ subject }) => subject === 'data').map(({ name }) => name),
    suggestsRepairIndex: damaged.some(({ subject }) => subject === 'index' || subject === 'blobs'),
  };
}

async function checkOnce(repository: Repository, options: CheckOptions, seen: Listed): Promise<CheckResult> {
  const run = startRun(options, options.maxFiles ?? FILES_NAMED);
  const { findings, progress } = run;
  const { healed, unhealed } = await heal(run, repository);
  begin(progress, 'objects', 0);
  // Snapshots before the index: the index then has what the listed snapshots need.
  const { snapshots, revoked } = await openSnapshots(repository, findings, seen, options.isWanted);
  await checkKeys(repository, findings);
  await checkLeases(repository, findings);
  const { indexed, packs, bad } = await checkIndex(run, repository, seen);
  const selected = await packsToChooseFrom(indexed, packs.stored, snapshots, options);
  const chosen = choosePacks(selected, options.readData, options.random ?? Math.random);
  const suspect = [...packs.suspect, ...packs.stored.filter(({ name }) => unhealed.has(name))];
  const read = [...new Set([...suspect, ...chosen])];
  begin(progress, 'data', read.length, amount(read).bytes);
  const proven = await readPacks(run, indexed, bad, read);
  begin(progress, 'trees', snapshots.length);
  const trees = new TreeCheck(run, indexed, bad);
  for (const snapshot of snapshots) {
    await trees.check(snapshot);
    progress.done++;
  }
  if (repository.config.parity > 0) await judgeByParity(repository.store, findings, options.signal);
  const orphans = amount(packs.stored.filter((pack) => pack.listed === undefined));
  return {
    ...verdictOn(findings, packs.someMissing, orphans),
    healed,
    snapshots: snapshots.length,
    revoked,
    packs: amount(packs.stored),
    read: amount(read),
    unopened: chosen.filter((pack) => pack.listed !== undefined && !opensPack(indexed, pack)).length,
    orphans,
    backupRunning: orphans.count > 0 && (await isBackupRunning(repository)),
    condemned: packs.stored.filter(({ name }) => indexed.condemned.has(name)).length,
    vouched: await vouchFor(repository, proven),
  };
}

/** Lists packs as vouched for, beside what lists them already. @returns how many */
async function vouchFor(repository: Repository, proven: readonly IndexedPack[]): Promise<number> {
  if (proven.length === 0) return 0;
  try {
    await writeIndex(repository, proven);
    return proven.length;
  } catch (cause) {
    // Where this user may only read, another check can vouch for them.
    if (!isUnreadable(cause) && VarveError.from(cause).code !== 'full') throw cause;
    return 0;
  }
}

/** Loads the index and compares it with the packs in the store. */
async function checkIndex(
  run: CheckRun,
  repository: Repository,
  seen: Listed,
): Promise<{ indexed: IndexedRepository; packs: PackCheck; bad: BadBlobs }> {
  const listedPacks = new ListedPacks();
  const indexed = await loadIndex(repository, {
    onDamage: (error, name) => void run.findings.addError('index', name, error),
    inspect: listedPacks.add,
  });
  seen.add('index', [...indexed.objects.map(({ name }) => name), ...indexed.replaced, ...indexed.unread]);
  const listed = listedPacks.resolve(indexed.index);
  const bad = new BadBlobs(indexed.index);
  begin(run.progress, 'packs', 0);
  const packs = new PackCheck(run, repository, { listed, condemned: indexed.condemned, bad });
  await packs.run();
  return { indexed, packs, bad };
}

function verdictOn(
  findings: Findings,
  somePacksMissing: boolean,
  orphans: Amount,
): Pick<CheckResult, 'findings' | 'brokenPacks' | 'indexUnread' | 'suggestRepairIndex' | 'suggestPrune'> {
  const indexUnread = findings.all.some(({ subject, unreadable }) => subject === 'index' && unreadable);
  const blobs = findings.get('blobs', '');
  if (indexUnread && blobs !== undefined) blobs.uncertain = true;
  const broken = brokenOf(findings.all);
  const suggestRepairIndex = somePacksMissing || broken.suggestsRepairIndex;
  return {
    findings: findings.all,
    brokenPacks: broken.packs,
    indexUnread,
    suggestRepairIndex,
    suggestPrune: orphans.count > 0 && !suggestRepairIndex && !indexUnread,
  };
}

/** The packs that the selected snapshots need, or all packs if that cannot be found out. */
async function packsToChooseFrom(
  indexed: IndexedRepository,
  stored: readonly StoredPack[],
  snapshots: readonly OpenedSnapshot[],
  { isWanted, readData, signal }: CheckOptions,
): Promise<readonly StoredPack[]> {
  if (isWanted === undefined || readData === undefined) return stored;
  try {
    const roots = snapshots.map(({ root }) => root);
    const needed = await packsOfSnapshots(indexed, roots, signal);
    return stored.filter(({ name }) => needed.has(name));
  } catch (cause) {
    if (VarveError.from(cause).code === 'damaged') return stored;
    throw cause;
  }
}

/** @returns packs that were healed, and names of those that stay damaged; a later step reports these */
async function heal(
  { progress, options }: CheckRun,
  { store, config }: Repository,
): Promise<{ healed: readonly HealedPack[]; unhealed: ReadonlySet<string> }> {
  if (options.repair !== true) return { healed: [], unhealed: new Set() };
  if (config.parity === 0) {
    const advice = '`varve repair packs` salvages what it can of damaged packs';
    throw new VarveError('usage', `the repository was made without --parity, so nothing can heal its packs; ${advice}`);
  }
  begin(progress, 'healing', 0);
  const findings = new Findings(0);
  const healed = await scrubObjects({ findings, progress, options }, store, ['data']);
  return { healed, unhealed: new Set(findings.all.map(({ name }) => name)) };
}

function begin(progress: CheckProgress, phase: CheckProgress['phase'], total: number, totalBytes = 0): void {
  Object.assign(progress, { phase, done: 0, total, bytes: 0, totalBytes });
}

function amount(packs: readonly StoredPack[]): Amount {
  return { count: packs.length, bytes: packs.reduce((sum, { size }) => sum + size, 0) };
}

async function isBackupRunning(repository: Repository): Promise<boolean> {
  const leases = await listLeases(repository);
  return leases.some(({ stale, lease }) => !stale && lease.operation === 'backup');
}
