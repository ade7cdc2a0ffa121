// The step of a check that reads packs whole and verifies their names, frames and blobs.
// reading.ts distributes the work to threads; findings.ts words the result.
import { equalBytes } from '../bytes/views.js';
import { exportKeys } from '../crypto/hierarchy.js';
import { throwIfInterrupted } from '../errors/errors.js';
import { TREE } from '../format/content.js';
import type { IndexedPack } from '../format/index-object.js';
import { type IndexedRepository, indexedPack } from '../repository/index/index-store.js';
import { originOfRead } from '../repository/index/trust.js';
import { eachAtMost } from '../workers/in-flight.js';
import type { BadBlobs } from './bad-blobs.js';
import type { CheckRun } from './check-run.js';
import type { Finding, Findings } from './findings.js';
import type { Damage, ObjectRead } from './messages.js';
import type { StoredPack } from './packs.js';
import { Reading } from './reading.js';
import { isGone, OTHER_CONTENT } from './verdicts.js';

/**
 * Reads packs whole and verifies each pack's name, frames and blobs.
 *
 * @param bad gets the blobs that cannot be read
 * @returns packs that this key can vouch for, and for which nobody did before
 */
export async function readPacks(
  run: CheckRun,
  repository: IndexedRepository,
  bad: BadBlobs,
  packs: readonly StoredPack[],
): Promise<readonly IndexedPack[]> {
  const proven: IndexedPack[] = [];
  if (packs.length === 0) return proven;
  const { keys, index, store } = repository;
  const { findings, progress, options } = run;
  const reading = new Reading(store, { opening: { keys: exportKeys(keys), index: index.shared } }, options.threads);
  try {
    await eachAtMost(reading.atMost, packs, async (pack) => {
      throwIfInterrupted(options.signal);
      if (await readPack(repository, reading, pack, findings, bad)) proven.push(...provenPack(repository, pack));
      progress.done++;
      progress.bytes += pack.size;
    });
  } finally {
    await reading.close();
  }
  return proven;
}

/** Whether the key opens the frames of a pack. */
export function opensPack({ keys, index }: IndexedRepository, { listed }: StoredPack): boolean {
  return listed !== undefined && keys.has(index.packKind(listed.number) === TREE ? 'manage' : 'full');
}

/** The pack as it is listed once somebody vouches for it; nothing if somebody does, or if this key cannot. */
function provenPack(repository: IndexedRepository, pack: StoredPack): IndexedPack[] {
  const { name, size, listed, directory } = pack;
  if (listed === undefined || directory === undefined || repository.index.isVouched(listed.number)) return [];
  const { writer, vouched } = originOfRead(directory.signer, repository);
  if (!vouched && !opensPack(repository, pack)) return [];
  return [indexedPack(name, size, directory.record, { writer, vouched: true })];
}

/** @returns whether all of it is sound, and what the signer of its directory signed */
async function readPack(
  repository: IndexedRepository,
  reading: Reading,
  pack: StoredPack,
  findings: Findings,
  bad: BadBlobs,
): Promise<boolean> {
  const { name, listed, directory, contradictions } = pack;
  const opened = opensPack(repository, pack);
  try {
    const reply = await reading.read('data', name, opened ? listed?.number : undefined, directory?.offset);
    if (reply.hash !== name) judgeChanged(pack, opened, reply, findings, bad);
    else judgeUnchanged(pack, reply, findings, bad);
    const isSigned =
      directory !== undefined && reply.contents !== undefined && equalBytes(reply.contents, directory.contents);
    if (directory !== undefined && reply.hash === name && !isSigned)
      findings.add('data', name, `its content is not what ${directory.signer.label} signed`);
    return isSigned && reply.hash === name && reply.damages.length === 0 && contradictions.length === 0;
  } catch (cause) {
    // Deleted by a prune since it was listed.
    if (isGone(cause)) return false;
    const finding = findings.addError('data', name, cause);
    if (listed !== undefined) bad.addPack(listed.number, () => finding);
    return false;
  }
}

/** The pack does not match its name. */
function judgeChanged(pack: StoredPack, opened: boolean, reply: ObjectRead, findings: Findings, bad: BadBlobs): void {
  const { name, listed, contradictions } = pack;
  const finding = findings.add('data', name, OTHER_CONTENT);
  for (const { ofPack } of contradictions) finding.add(ofPack);
  // Only opened frames show which blobs are damaged.
  if (listed !== undefined && !opened) bad.addPack(listed.number, () => finding);
  for (const damage of reply.damages) addDamage(damage, finding, bad);
}

/** The pack matches its name. If the index contradicts it, the index is wrong; any other damage was stored with the pack. */
function judgeUnchanged(
  { name, contradictions }: StoredPack,
  reply: ObjectRead,
  findings: Findings,
  bad: BadBlobs,
): void {
  let finding: Finding | undefined;
  for (const { by } of contradictions) finding = findings.add('index', by, `what it says of data/${name} is not so`);
  for (const damage of reply.damages) {
    finding ??= findings.add('data', name, damage.reason);
    addDamage(damage, finding, bad);
  }
}

function addDamage({ frame, blob, reason }: Damage, finding: Finding, bad: BadBlobs): void {
  if (finding.subject === 'data') finding.add(reason);
  if (blob === undefined) bad.addFrame(frame, () => finding);
  else bad.addBlob(blob, () => finding);
}
