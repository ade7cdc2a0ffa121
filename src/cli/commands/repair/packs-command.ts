import { open, readFile, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { errnoCode, systemReason, VarveError } from '../../../errors/errors.js';
import type { RepairPacksEvent, RepairPacksResult } from '../../../repair/options.js';
import { repairPacks } from '../../../repair/repair-packs.js';
import type { Repository } from '../../../repository/repository.js';
import { HASH_NAME } from '../../../storage/store.js';
import type { Context } from '../../program/shell.js';
import { openFromOptions } from '../../repository/open.js';
import type { Output } from '../../terminal/output.js';
import { counted } from '../../text/units.js';

export async function repairPacksCommand(context: Context, ids: readonly string[]): Promise<number> {
  const { output, signal } = context;
  if (ids.length === 0)
    throw new VarveError('usage', 'the names of packs are missing: `varve check --read-data` names the damaged ones');
  const repository = await openFromOptions(context);
  const names = await findPacks(repository, ids);
  const onEvent = (event: RepairPacksEvent): void => printEvent(output, event);
  const result = await repairPacks(repository, names, {
    keepCopy: (name, bytes) => keepCopy(output, name, bytes),
    signal,
    onEvent,
  });
  if (output.json) output.object({ message_type: 'summary', ...toJson(result) });
  else summarize(output, result);
  const { lost, unreadable, missing } = result;
  return lost.length + unreadable.length + missing.length > 0 ? 1 : 0;
}

/** A full name may be the name of a pack that is missing from the store. */
async function findPacks({ store }: Repository, ids: readonly string[]): Promise<string[]> {
  const wanted = ids.map((id) => id.replace(/^data\//, ''));
  if (wanted.every((id) => HASH_NAME.test(id))) return wanted;
  const names: string[] = [];
  for await (const { name } of store.list('data')) names.push(name);
  return wanted.map((id) => {
    if (HASH_NAME.test(id)) return id;
    const found = /^[0-9a-f]+$/.test(id) ? names.filter((name) => name.startsWith(id)) : [];
    const [first] = found;
    if (first === undefined) throw new VarveError('not-found', `no pack matches "${id}"`);
    if (found.length > 1)
      throw new VarveError('ambiguous', `"${id}" matches ${found.length} packs: use more digits of the name`);
    return first;
  });
}

/** Keeps existing copies: the copy of an earlier run differs when the pack has changed since. */
async function keepCopy(output: Output, name: string, bytes: Uint8Array): Promise<void> {
  const path = resolve(`pack-${name}`);
  try {
    const kept = await keepAs(path, bytes);
    output.message(`kept a copy of the damaged pack: ${kept}`);
  } catch (cause) {
    throw new VarveError(
      'target',
      `${path}: a copy of the damaged pack cannot be kept there: ${systemReason(cause)}; go to another directory, and run it again`,
      { cause },
    );
  }
}

/** Writes a temporary file first, so that a file with the copy's name is always complete. @returns its path */
async function keepAs(path: string, bytes: Uint8Array): Promise<string> {
  const temporary = `${path}.part`;
  await rm(temporary, { force: true });
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  for (let number = 1; ; number++) {
    const kept = number === 1 ? path : `${path}-${number}`;
    if (await placed(temporary, kept, bytes)) return kept;
  }
}

/** @returns whether a file with this name holds the copy, new or from before */
async function placed(temporary: string, path: string, bytes: Uint8Array): Promise<boolean> {
  const existing = await readFile(path).catch(unlessMissing);
  if (existing === undefined) await rename(temporary, path);
  else if (existing.equals(bytes)) await rm(temporary);
  else return false;
  return true;
}

function unlessMissing(cause: unknown): undefined {
  if (errnoCode(cause) !== 'ENOENT') throw cause;
}

function printEvent(output: Output, event: RepairPacksEvent): void {
  const object = `data/${event.name}`;
  switch (event.kind) {
    case 'sound':
      return output.message(`${object}: nothing is wrong with it; it stays`);
    case 'healed':
      return output.message(
        `${object}: healed ${event.by === 'parity' ? 'by its parity' : "from this machine's cache"}`,
      );
    case 'salvaged': {
      const lost = event.lost > 0 ? `, ${event.lost} cannot be read` : '';
      return output.message(`${object}: ${counted(event.blobs, 'blob')} saved${lost}`);
    }
    case 'unreadable':
      return reportFailure(
        output,
        event.name,
        `${event.message}; it may be sound, and stays as it is. ${WHEN_UNREADABLE}`,
      );
    case 'missing':
      return reportFailure(output, event.name, `${object}: is missing: there is nothing to be saved; ${WHEN_MISSING}`);
  }
}

const WHEN_UNREADABLE =
  'Where a disk fails, copy the repository to another one first (`ddrescue` fills with zeros what it cannot read), and repair the copy';
const WHEN_MISSING = '`varve repair index` leaves it out of the index';

function reportFailure(output: Output, item: string, message: string): void {
  if (output.json) output.errorObject({ message_type: 'error', error: { message }, during: 'repair packs', item });
  else output.error(`error: ${message}`);
}

function summarize(output: Output, { removed, salvaged, healed, unreadable, lost }: RepairPacksResult): void {
  const besides = healed.length > 0 ? `; healed ${counted(healed.length, 'pack')}` : '';
  output.message(
    `removed ${counted(removed.length, 'pack')}; stored ${counted(salvaged, 'blob')} of them again${besides}`,
  );
  if (unreadable.length > 0) output.error(`${counted(unreadable.length, 'pack')} could not be read, and stayed`);
  if (lost.length > 0)
    output.prose(
      `lost: ${counted(lost.length, 'blob')}. A backup stores again what it still finds; then, when nothing else is damaged, \`varve repair snapshots --forget\` makes snapshots without what is lost`,
    );
  else if (removed.length > 0) output.message('nothing is lost');
}

function toJson(result: RepairPacksResult): Record<string, unknown> {
  const { removed, healed, unreadable, missing, salvaged, lost } = result;
  return { removed, healed, unreadable, missing, blobs_saved: salvaged, blobs_lost: lost };
}
