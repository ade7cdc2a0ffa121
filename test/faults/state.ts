/** Judges what a run under a fault left: snapshots, packs, a restored tree. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { check } from '../../src/check/check.js';
import { parseSubset } from '../../src/check/subset.js';
import type { ContentRef } from '../../src/format/content.js';
import { type IndexedRepository, loadIndex } from '../../src/repository/index/index-store.js';
import { TreeReader } from '../../src/repository/reading/tree-reader.js';
import type { Repository } from '../../src/repository/repository.js';
import { listSnapshots, type StoredSnapshot } from '../../src/repository/snapshots/snapshots.js';
import { restore } from '../../src/restore/restore.js';
import { components } from '../backup/sandbox.js';
import { treeImage } from '../backup/tree-image.js';
import type { History, Stage } from './stage.js';
import { describeSnapshots, filesBelow, packCount, type Run, type Sound } from './traces.js';

/** A temporary file, but not the mark of a restore that is to go on. */
const PART = /\/\.varve-(?!\S+-target )/;

const TEMPORARY = /\/\.varve-tmp-/;

/** What is wrong with what the run left. */
export async function judgeState(stage: Stage, history: History, run: Run, sound: Sound): Promise<string[]> {
  const { command, ended } = run;
  if (command.restores === true) return judgeTarget(stage, history, run);
  if (command.triesPlace !== undefined) return judgeTried(command.triesPlace, run);
  if (command.writes === undefined) return [];
  let repository: Repository;
  try {
    repository = await stage.open(command.writes);
  } catch (cause) {
    return [`cannot be opened any more: ${(cause as Error).message}`];
  }
  const { findings } = await check(repository, { readData: parseSubset('100%'), threads: 1 });
  const { snapshots, failures } = await listSnapshots(repository);
  const problems = findings.slice(0, 3).map(({ message }) => `check: ${message}`);
  problems.push(...failures.map(({ id }) => `snapshot ${id} cannot be read`));
  problems.push(...judgeSnapshots(history, run, snapshots, sound), ...judgeFiles(stage, run, sound));
  if (command.backsUp === true) {
    const made = snapshots.filter(({ id }) => !history.snapshots.includes(id));
    problems.push(...(await judgeMade(stage, await loadIndex(repository), made, ended)));
  }
  return problems;
}

/** Only what the command is to remove may be gone, and with exit code 0 it is. */
function judgeSnapshots(
  { snapshots }: History,
  { command, ended }: Run,
  found: readonly StoredSnapshot[],
  sound: Sound,
): string[] {
  const ids = new Set(found.map(({ id }) => id));
  if (command.replaces === true && new Set(found.map(({ snapshot }) => snapshot.time.seconds)).size < snapshots.length)
    return ['a snapshot is gone, and no other is there in its place'];
  const gone = snapshots.filter((id) => !ids.has(id) && command.removes?.includes(id) !== true);
  if (gone.length > 0 && command.replaces !== true && command.writes !== 'other')
    return [`${gone.length} snapshots are gone`];
  const described = describeSnapshots(found);
  if (ended.code === 0 && command.backsUp !== true && described.join() !== sound.snapshots.join())
    return [`exit code 0, but the snapshots are ${described.join('; ')}`];
  return [];
}

function judgeFiles(stage: Stage, { command, ended, fault }: Run, sound: Sound): string[] {
  const problems: string[] = [];
  const repository = command.writes ?? 'repository';
  const packs = packCount(stage, repository);
  if (ended.code === 0 && command.backsUp !== true && packs !== sound.packs)
    problems.push(`${packs} packs where there should be ${sound.packs}`);
  const removable = fault.mode === 'once' && fault.calls !== 'unlink';
  if (removable && filesBelow(stage.run(repository)).some((path) => path.includes('.tmp-')))
    problems.push('leaves temporary files');
  return problems;
}

function judgeTried(place: string, { fault }: Run): string[] {
  const removable = fault.mode === 'once' && fault.calls !== 'unlink';
  return removable && existsSync(place) && readdirSync(place).length > 0 ? ['leaves what it tried'] : [];
}

/** A backup that ends with 0 has everything, with 3 all but what it names, with 1 it has made no snapshot. */
async function judgeMade(
  stage: Stage,
  repository: IndexedRepository,
  made: readonly StoredSnapshot[],
  { code, err }: Run['ended'],
): Promise<string[]> {
  const [first] = made;
  const wanted = code === 0 || code === 3 ? 1 : 0;
  if (made.length !== wanted) return [`exit code ${code} and ${made.length} new snapshots`];
  if (first === undefined) return [];
  const target = stage.run('checked');
  rmSync(target, { recursive: true, force: true });
  let root: ContentRef;
  try {
    root = await new TreeReader(repository).directory(first.snapshot.root, components(stage.source));
  } catch {
    return code === 3 && err.includes(stage.source) ? [] : [`exit code ${code}, and the source is not in it`];
  }
  await restore(repository, { root, target, setOwner: true, threads: 1 });
  if (code === 3 && err.includes(`${stage.source}: `)) return [];
  // Of names of one file some may be missing.
  const image = (path: string): string[] =>
    treeImage(path).map((line) => (code === 3 ? line.replace(/ = \/.*$/, '') : line));
  const wrong = differences(image(stage.source), image(target));
  return wrong.filter((line) => code === 0 || !isNamed(err, line)).slice(0, 3);
}

/** Whether an error names the path of a line, or a directory above it. */
function isNamed(err: string, line: string): boolean {
  const [, path = ''] = /^(?:lacks|has) (\/.*?) \d+ \d+ /.exec(line) ?? [];
  for (let each = path; each !== ''; each = each.slice(0, each.lastIndexOf('/'))) if (err.includes(each)) return true;
  return false;
}

/** A restore that ends with 0 has restored everything; none leaves parts of files that it could remove. */
function judgeTarget(stage: Stage, { newest }: History, { command, ended, fault }: Run): string[] {
  const target = command.args[command.args.indexOf('--target') + 1] ?? '';
  if (!existsSync(target)) return ended.code === 0 ? ['exit code 0, and there is no target'] : [];
  const found = treeImage(target);
  const removable = fault.mode === 'once' && fault.calls !== 'unlink';
  const problems = removable && found.some((line) => PART.test(line)) ? ['leaves temporary files'] : [];
  // Owners, modes, times and attributes that cannot be set are warnings.
  if (ended.code !== 0 || /^warning: .*cannot set/m.test(ended.err)) return problems;
  // What cannot be removed of a restore that has done all else stays, and a later run removes it.
  const meant = fault.calls === 'unlink' ? found.filter((line) => !TEMPORARY.test(line)) : found;
  const wrong = differences(newest, meant);
  const mayHaveMore = target === join(stage.run('target'), 'restored') && !command.args.includes('--delete');
  return [...problems, ...wrong.filter((line) => !mayHaveMore || line.startsWith('lacks')).slice(0, 3)];
}

function differences(wanted: readonly string[], found: readonly string[]): string[] {
  const [left, right] = [new Set(wanted), new Set(found)];
  return [
    ...wanted.filter((line) => !right.has(line)).map((line) => `lacks ${line}`),
    ...found.filter((line) => !left.has(line)).map((line) => `has ${line}`),
  ];
}
