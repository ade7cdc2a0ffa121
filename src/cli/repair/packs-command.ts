import { open, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { errnoCode, systemReason, VarveError } from '../../errors/errors.js';
import type { RepairPacksEvent, RepairPacksResult } from '../../repair/options.js';
import { repairPacks } from '../../repair/repair-packs.js';
import type { Repository } from '../../repository/repository.js';
import { HASH_NAME } from '../../storage/store.js';
import { openFromOptions } from '../open.js';
import type { Output } from '../output.js';
import type { Context } from '../shell.js';
import { counted } from '../text/units.js';

export async function repairPacksCommand(context: Context, ids: readonly string[]): Promise<number> {
  const { output, signal } = context;
  if (ids.length === 0)
    throw new VarveError('usage', 'which packs? `varve check --read-data` names those that are damaged');
  const repository = await openFromOptions(context);
  const names = await findPacks(repository, ids);
  const onEvent = (event: RepairPacksEvent): void => tell(output, event);
  const result = await repairPacks(repository, names, {
    keepCopy: (name, bytes) => keepCopy(output, name, bytes),
    signal,
    onEvent,
  });
  if (output.json) output.object({ message_type: 'summary', ...toJson(result) });
  else summarize(output, result);
  return 0;
}

/** A name that is whole may be that of a pack which the store does not have. */
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

async function keepCopy(output: Output, name: string, bytes: Uint8Array): Promise<void> {
  const path = resolve(`pack-${name}`);
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    const same = errnoCode(cause) === 'EEXIST' && (await readFile(path)).equals(bytes);
    if (!same)
      throw new VarveError(
        'target',
        `${path}: a copy of the damaged pack cannot be kept there: ${systemReason(cause)}; go to another folder`,
        { cause },
      );
  }
  output.message(`kept a copy of the damaged pack: ${path}`);
}

function tell(output: Output, event: RepairPacksEvent): void {
  if (event.kind === 'sound') output.message(`data/${event.name}: nothing is wrong with it; it stays`);
  else
    output.message(
      `data/${event.name}: ${counted(event.blobs, 'blob')} saved${event.lost > 0 ? `, ${event.lost} cannot be read` : ''}`,
    );
}

function summarize(output: Output, { removed, salvaged, lost }: RepairPacksResult): void {
  output.message(`removed ${counted(removed.length, 'pack')}; stored anew ${counted(salvaged, 'blob')} of them`);
  if (removed.length === 0) return;
  if (lost.length === 0) output.message('nothing is lost');
  else
    output.print(
      `lost: ${counted(lost.length, 'blob')}. A backup stores anew what it still finds; then, when nothing else is damaged, \`varve repair snapshots --forget\` makes snapshots without what is lost`,
    );
}

function toJson({ removed, salvaged, lost }: RepairPacksResult): Record<string, unknown> {
  return { removed, blobs_saved: salvaged, blobs_lost: lost };
}
